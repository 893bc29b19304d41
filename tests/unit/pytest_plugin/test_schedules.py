"""How many times a test runs, and with which machine."""

import subprocess
import sys
from typing import Any

import pytest

pytest_plugins = "pytester"


def test_each_seed_is_an_item_of_its_own(tests: Any) -> None:
    tests.write_race("schedules=3")
    listed = tests.run("--collect-only", "-q").outlines[:3]
    assert listed == [f"test_it.py::test_race[seed{seed}]" for seed in range(3)]


def test_seeds_can_be_listed(tests: Any) -> None:
    tests.write_race("schedules=[7, 123456789012]")
    listed = tests.run("--collect-only", "-q").outlines[:2]
    assert listed == ["test_it.py::test_race[seed7]", "test_it.py::test_race[seed123456789012]"]


def test_item_is_chosen_by_its_seed(tests: Any) -> None:
    tests.write_race()
    tests.run("-k", "seed2").assert_outcomes(failed=1, deselected=5)


def test_other_parameters_go_with_seeds(tests: Any) -> None:
    tests.write("""
@pytest.mark.parametrize("value", [5, 6])
@pytest.mark.unismp(schedules=2)
def test_value(machine, value, unismp_seed):
    machine.load(f"mov eax, {value}\\ncli\\nhlt")
    machine.run()
    assert machine.core(0).registers.rax == value
    assert machine.seed == unismp_seed
""")
    tests.run().assert_outcomes(passed=4)


def test_seed_decides_the_schedule(tests: Any) -> None:
    tests.write("""
DIGESTS = set()
@pytest.mark.unismp(cores=3, schedules=4, quantum=3)
def test_collect(machine):
    machine.load('''
_start: mov eax, 1
        lock xadd [0x2000], eax
        mov [0x3000 + rax * 4], edi
        cmp dword ptr [0x2000], 3
        jne park
        out 0xF4, al
park:   hlt''')
    machine.run()
    DIGESTS.add(machine.memory.read(0x3000, 12))
def test_compare():
    assert len(DIGESTS) > 1
""")
    tests.run().assert_outcomes(passed=5)


def test_without_a_marker_there_is_one_machine_with_defaults(tests: Any) -> None:
    tests.write("""
def test_default(machine, unismp_seed):
    machine.load("hlt ")
    result = machine.run()
    assert unismp_seed is None
    assert (len(result.cores), result.outcome, machine.config.boot) == (1, "DEADLOCK", "long")
""")
    tests.run().assert_outcomes(passed=1)


def test_marker_of_a_class_counts_where_the_test_says_nothing(tests: Any) -> None:
    tests.write("""
@pytest.mark.unismp(cores=2, memory="8M", schedules=2)
class TestBoth:
    def test_two(self, machine):
        assert (machine.config.cores, machine.memory.size_bytes) == (2, 8 << 20)
    @pytest.mark.unismp(cores=3, schedules=[9])
    def test_three(self, machine):
        assert (machine.config.cores, machine.memory.size_bytes) == (3, 8 << 20)
    def test_none(self):
        pass
""")
    tests.run().assert_outcomes(passed=4)


def test_fixture_of_a_test_may_build_on_the_machine(tests: Any) -> None:
    tests.write("""
@pytest.fixture
def counted(machine):
    machine.load("inc dword ptr [0x2000]\\ncli\\nhlt")
    return machine
@pytest.mark.unismp(schedules=2)
def test_count(counted):
    counted.run()
    assert counted.memory.read_integer(0x2000, 4) == 1
""")
    tests.run().assert_outcomes(passed=2)


def test_several_runs_go_on_with_one_schedule(tests: Any) -> None:
    tests.write("""
@pytest.mark.unismp(cores=2, schedules=2)
def test_pieces(machine):
    machine.load("again: inc dword ptr [0x2000]\\njmp again")
    assert [machine.run(max_instructions=10).steps for _ in range(3)] == [10, 20, 30]
""")
    tests.run().assert_outcomes(passed=2)


def test_endless_guest_ends_at_the_limit_of_the_marker(tests: Any) -> None:
    tests.write("""
@pytest.mark.unismp(max_instructions=1234)
def test_endless(machine):
    machine.load("again: jmp again")
    result = machine.run()
    assert (result.outcome, result.steps) == ("INSTRUCTION_LIMIT", 1234)
""")
    tests.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "argument",
    [
        *("image='hello'", "source='xor eax, eax\\nout 0xF4, al'", "image=Path('end.asm')"),
        *("image=b'\\x31\\xc0\\xe6\\xf4'", "image='end.bin'", "source='.include \"end.asm\"'"),
    ],
)
def test_guest_can_be_named_by_the_marker(tests: Any, argument: str) -> None:
    tests.write(f"""
@pytest.mark.unismp({argument})
def test_end(machine):
    assert machine.run().outcome == "FINISHED"
""", name="inner/test_it")  # fmt: skip
    (tests.folder / "inner/end.asm").write_text("xor eax, eax\nout 0xF4, al\n")
    (tests.folder / "inner/end.bin").write_bytes(bytes.fromhex("31c0e6f4"))
    tests.run().assert_outcomes(passed=1)


def test_nothing_heavy_is_imported_for_tests_without_a_machine(tests: Any) -> None:
    tests.write("""
import sys
@pytest.mark.unismp(schedules=2)
class TestLight:
    def test_light(self):
        assert not {"numba", "unicorn", "numpy", "keystone", "duckdb"} & set(sys.modules)
""")
    command = [sys.executable, "-m", "pytest", *tests.arguments, "-q", "-p", "no:cacheprovider"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout
