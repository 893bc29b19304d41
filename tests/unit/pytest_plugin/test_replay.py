"""`--unismp-replay` runs one test again, as it was recorded."""

from pathlib import Path
from typing import Any

import pytest

from uniSMP import Machine, assemble
from uniSMP.cli.main import main
from uniSMP.replay.recorder import Recorder

pytest_plugins = "pytester"
_OPTION = "--unismp-replay"


def test_only_the_recorded_test_runs_and_fails_again(tests: Any, recorded: str) -> None:
    result = tests.run(_OPTION, recorded)
    result.assert_outcomes(failed=1, deselected=5)
    result.stdout.fnmatch_lines(
        ["*test_race?seed2?*", "*assert 1 == 2", f"*unismp replay {recorded}"]
    )
    assert len(tests.recordings()) == 1


def test_asserts_of_the_test_count(tests: Any, recorded: str) -> None:
    tests.write_race(after="assert machine.memory.read_integer(0x2000, 4) == 1")
    tests.run(_OPTION, recorded).assert_outcomes(passed=1, deselected=5)


def test_recording_decides_and_not_the_seed(tests: Any, recorded: str) -> None:
    tests.write_race(run="machine.run()", before="machine._schedule._generator.state = 5")
    tests.run(_OPTION, recorded).stdout.fnmatch_lines(["*assert 1 == 2"])


def test_seed_that_the_marker_no_longer_has_is_replayed(tests: Any, recorded: str) -> None:
    tests.write_race("cores=2, schedules=1, quantum=5")
    tests.run(_OPTION, recorded).assert_outcomes(failed=1, deselected=1)


def test_schedule_of_the_test_itself_is_replayed(tests: Any) -> None:
    tests.write_race("cores=2", run="from uniSMP import RoundRobin; machine.run(RoundRobin(1))")
    tests.run().assert_outcomes(failed=1)
    tests.write_race("cores=2")
    recording = ".unismp/recordings/test_it.py--test_race.rec"
    tests.run(_OPTION, recording).stdout.fnmatch_lines(["*assert 1 == 2"])


def test_runs_in_pieces_with_inputs_between_are_replayed(tests: Any) -> None:
    tests.write("""
@pytest.mark.unismp(cores=2, schedules=[4], quantum=3)
def test_pieces(machine):
    machine.load("again: mov eax, [0x2000]\\nadd [0x2008], eax\\njmp again")
    for value in range(1, 6):
        machine.memory.write_integer(0x2000, value, 4)
        machine.run(max_instructions=10)
    assert machine.digest() == "no digest"
""")
    first = tests.run()
    second = tests.run(_OPTION, ".unismp/recordings/test_it.py--test_pieces--seed4.rec")
    found = [
        [line for line in result.outlines if "AssertionError: assert '" in line]
        for result in (first, second)
    ]
    assert found[0] == found[1] != []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"guest": "nop\\ncli\\nhlt"}, "the test loads another guest than then"),
        ({"marker": "cores=3, schedules=6"}, "the machine has cores = 3, then it had 2"),
        (
            {"run": "machine.run(max_instructions=10)", "after": "pass"},
            "the test ran 10 instructions, then it ran 23",
        ),
        ({"before": "machine.memory.write(0x2004, b'\\\\xF0')"}, "the test goes on where its "),
        (
            {"before": "machine.memory.write(0x5000, b'1')", "after": "pass"},
            "the machine ends in another state than then: the test gives it other inputs",
        ),
        ({"run": "pass", "after": "pass"}, "the test ran 0 instructions, then it ran 23"),
    ],
)
def test_test_that_departs_from_its_recording_is_told(
    tests: Any, recorded: str, change: dict[str, str], message: str
) -> None:
    tests.write_race(**change)
    result = tests.run(_OPTION, recorded)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str()
    assert f"\nthe test departs from its recording: {message}" in text
    assert "Traceback" not in text
    assert "another exception" not in text


def test_recorded_test_that_is_gone_is_told(tests: Any, recorded: str) -> None:
    tests.write("def test_other(): pass")
    result = tests.run(_OPTION, recorded)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --unismp-replay: *.rec is of test_it.py::test_race?seed2?, which is not among *"]
    )


def test_file_that_is_no_recording_is_told(tests: Any) -> None:
    (tests.folder / "other.rec").write_bytes(b"something else")
    result = tests.run(_OPTION, "other.rec")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len(result.errlines) - result.errlines.count("") == 1
    result.stderr.fnmatch_lines(["ERROR: --unismp-replay: *other.rec*"])


def test_recording_of_no_test_is_told(tests: Any, tmp_path: Path) -> None:
    file = tmp_path / "run.rec"
    with Machine(boot="long") as machine:
        machine.load(assemble("cli\nhlt"))
        with Recorder(machine, file, schedule={"name": "round robin"}):
            machine.run()
    result = tests.run(_OPTION, str(file))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{file} was not recorded by a test: `unismp replay {file}` *"])


def test_recording_names_its_test(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["record", "info", recorded])
    assert "test_it.py::test_race[seed2]" in capsys.readouterr().out


def test_recorded_test_is_replayed_by_the_command(
    recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["replay", recorded])
    assert left.value.code == 0
    assert "the same run as recorded" in capsys.readouterr().out


def test_worker_of_xdist_replays(tests: Any, recorded: str) -> None:
    result = tests.run("-n", "1", _OPTION, recorded)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2"])


def test_replay_from_another_folder(tests: Any, recorded: str) -> None:
    inner = tests.pytester.mkdir("inner")
    (tests.folder / "pytest.ini").write_text("[pytest]\n")
    tests.pytester.chdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(inner)
        result = tests.run("..", _OPTION, f"../{recorded}")
    result.assert_outcomes(failed=1, deselected=5)
    result.stdout.fnmatch_lines(
        ["test it:   pytest '../test_it.py::test_race?seed2?' --unismp-replay *"]
    )
