import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

_IS_INSTALLED = bool(entry_points(group="pytest11", name="unismp"))
RACE = """
        _start:
            mov eax, [0x2000]
            inc eax
            mov [0x2000], eax
            lock inc dword ptr [0x2004]
        wait:
            pause
            cmp dword ptr [0x2004], 2
            jne wait
            xor eax, eax
            out 0xF4, al
"""


class Tests:
    """Test files in a folder of their own, and pytest with the plugin to run them."""

    def __init__(self, pytester: pytest.Pytester, temporary: Path) -> None:
        self.pytester = pytester
        self.folder = pytester.path
        self.temporary = temporary
        self.arguments = () if _IS_INSTALLED else ("-p", "uniSMP.pytest_plugin")

    def write(self, text: str, name: str = "test_it") -> None:
        self.pytester.makepyfile(**{name: f"import pytest\nfrom pathlib import Path\n{text}"})

    def write_race(
        self,
        marker: str = "cores=2, schedules=6, quantum=5",
        *,
        guest: str = RACE,
        before: str = "pass",
        run: str = "machine.run()",
        after: str = "assert machine.memory.read_integer(0x2000, 4) == 2",
    ) -> None:
        """Write a test of two cores that count without a lock: of seeds 0 to 5, 2 loses a count."""
        self.write(f"""
@pytest.mark.unismp({marker})
def test_race(machine):
    machine.load('''{guest}''')
    {before}
    {run}
    {after}
""")

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(*self.arguments, *arguments)

    def recordings(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob(".unismp/recordings/*"))

    def left_behind(self) -> list[str]:
        return sorted(path.name for path in self.temporary.iterdir())


@pytest.fixture
def tests(
    pytester: pytest.Pytester,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Tests:
    def forget_tests(_snapshot: object) -> None:
        """Drop the modules of the inner run only: compilers cannot be imported twice."""
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(f"{pytester.path}/"):
                del sys.modules[name]

    monkeypatch.setattr("_pytest.pytester.SysModulesSnapshot.restore", forget_tests)
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return Tests(pytester, temporary)


@pytest.fixture
def recorded(tests: Tests) -> str:
    """The recording that the race leaves with seed 2."""
    tests.write_race()
    tests.run("-q").assert_outcomes(passed=5, failed=1)
    (name,) = tests.recordings()
    return f".unismp/recordings/{name}"
