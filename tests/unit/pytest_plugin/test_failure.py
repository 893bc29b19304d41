"""What a test that failed leaves, and what one that passed does not."""

import re
import xml.etree.ElementTree as ET
from typing import Any

pytest_plugins = "pytester"


def section(result: Any) -> str:
    """Return what the report says of the machine."""
    return str(re.split(r"\n-+ uniSMP -+\n", result.stdout.str())[1])


def test_failure_tells_seed_outcome_cores_and_commands(tests: Any) -> None:
    tests.write_race()
    text = section(tests.run())
    file = ".unismp/recordings/test_it.py--test_race--seed2.rec"
    assert text.startswith(
        "seed 2, quantum 5, 2 cores, 64M of RAM\n"
        "FINISHED: the guest wrote 0 to the debug-exit port\n"
    )
    assert re.search(
        r"^core 0: \d+ instructions, running at wait\+0x\w+ \(0x\w+\)$", text, re.MULTILINE
    )
    assert f"\nreplay:    unismp replay {file}\n" in text
    assert f"\ntest it:   pytest 'test_it.py::test_race[seed2]' --unismp-replay {file}\n" in text


def test_failure_tells_the_last_events_of_each_core_in_their_order(tests: Any) -> None:
    tests.write_race()
    text = section(tests.run())
    reads = [match.start() for match in re.finditer(r"\[0x2000\] -> 0x00000000", text)]
    writes = [match.start() for match in re.finditer(r"\[0x2000\] <- 0x00000001", text)]
    assert len(reads) == len(writes) == 2
    assert max(reads) < min(writes), "both cores read before one of them wrote"
    assert re.search(
        r"^ +0   \d _start +mov eax, dword ptr \[0x2000\] +<source>:3$", text, re.MULTILINE
    )
    assert re.search(r"-- port_write at wait\+0x\w+ address=0xf4", text)


def test_core_that_did_nothing_lately_is_named(tests: Any) -> None:
    tests.write("""
@pytest.mark.unismp(cores=3, max_instructions=50_000)
def test_endless(machine):
    machine.load('''
_start: cmp edi, 1
        jne park
again:  jmp again
park:   cli
        hlt''')
    assert machine.run().outcome == "FINISHED"
""")
    assert "\nnothing of core 0, 2 in the last 20,000 instructions\n" in section(tests.run())


def test_failure_tells_the_end_of_the_console(tests: Any) -> None:
    tests.write("""
def test_fail(machine):
    machine.load("fail")
    assert machine.run().exit_value == 0
""")
    text = section(tests.run())
    assert "\nGUEST_FAILED: the guest wrote 3 to the debug-exit port\n" in text
    assert "\nconsole:\n    FAIL on purpose\n" in text


def test_recording_is_kept_of_failures_only(tests: Any) -> None:
    tests.write_race()
    tests.run().assert_outcomes(passed=5, failed=1)
    assert tests.recordings() == ["test_it.py--test_race--seed2.rec"]
    assert (tests.folder / ".unismp/.gitignore").read_text() == "*\n"
    assert tests.left_behind() == []


def test_success_leaves_nothing(tests: Any) -> None:
    tests.write_race("cores=2, schedules=2")
    tests.run("-p", "no:cacheprovider").assert_outcomes(passed=2)
    assert not (tests.folder / ".unismp").exists()
    assert tests.left_behind() == []


def test_expected_failure_leaves_nothing(tests: Any) -> None:
    tests.write_race(after="pytest.xfail('known')")
    tests.run().assert_outcomes(xfailed=6)
    assert not (tests.folder / ".unismp").exists()


def test_skip_leaves_nothing(tests: Any) -> None:
    tests.write_race(after="pytest.skip('not here')")
    tests.run().assert_outcomes(skipped=6)
    assert not (tests.folder / ".unismp").exists()


def test_folder_of_recordings_can_be_chosen(tests: Any) -> None:
    tests.write_race()
    text = section(tests.run("--unismp-recordings", "kept here"))
    file = "kept here/test_it.py--test_race--seed2.rec"
    assert (tests.folder / file).is_file()
    assert f"unismp replay '{file}'\n" in text
    assert not (tests.folder / ".unismp").exists()


def test_folder_that_cannot_be_written_does_not_end_the_session(tests: Any) -> None:
    tests.write_race()
    (tests.folder / "file").write_text("")
    result = tests.run("--unismp-recordings", "file")
    result.assert_outcomes(passed=5, failed=1)
    assert "what the machine did cannot be told: FileExistsError" in section(result)


def test_test_that_does_not_run_the_machine_has_no_recording(tests: Any) -> None:
    tests.write_race(run="assert False")
    result = tests.run("-k", "seed3")
    result.assert_outcomes(failed=1, deselected=5)
    assert "nothing ran: there is no recording" in section(result)
    assert tests.recordings() == []


def test_test_that_loads_nothing_passes(tests: Any) -> None:
    tests.write("""
def test_machine(machine):
    assert machine.steps == 0
""")
    tests.run().assert_outcomes(passed=1)
    assert tests.left_behind() == []


def test_failure_in_the_teardown_of_another_fixture_is_recorded(tests: Any) -> None:
    tests.write("""
@pytest.fixture
def checked(machine):
    machine.load("inc dword ptr [0x2000]\\ncli\\nhlt")
    yield machine
    assert machine.memory.read_integer(0x2000, 4) == 2
def test_count(checked):
    checked.run()
""")
    result = tests.run()
    result.assert_outcomes(passed=1, errors=1)
    assert "DEADLOCK: no core can ever run again" in section(result)
    assert tests.recordings() == ["test_it.py--test_count.rec"]


def test_error_of_the_run_itself_is_told(tests: Any) -> None:
    tests.write_race(run="machine.run(is_interrupted=lambda: 1 / 0)")
    text = section(tests.run("-k", "seed0"))
    assert text.startswith("seed 0, quantum 5, 2 cores, 64M of RAM\nno run has ended\n")
    assert "\nreplay:    unismp replay " in text


def test_junit_has_seed_and_recording(tests: Any) -> None:
    tests.write_race()
    tests.run("--junitxml=results.xml")
    cases = ET.parse(tests.folder / "results.xml").getroot().iter("testcase")  # noqa: S314 - our own
    properties = {
        str(case.get("name")): {
            each.get("name"): each.get("value") for each in case.iter("property")
        }
        for case in cases
    }
    assert properties["test_race[seed0]"] == {"unismp_seed": "0"}
    assert properties["test_race[seed2]"] == {
        "unismp_seed": "2",
        "unismp_recording": f"{tests.folder}/.unismp/recordings/test_it.py--test_race--seed2.rec",
    }


def test_workers_of_xdist_keep_and_tell_the_same(tests: Any) -> None:
    tests.write_race()
    result = tests.run("-n", "2", "--junitxml=results.xml")
    result.assert_outcomes(passed=5, failed=1)
    assert section(result).startswith("seed 2, quantum 5, 2 cores, 64M of RAM\nFINISHED: ")
    assert tests.recordings() == ["test_it.py--test_race--seed2.rec"]
    assert 'name="unismp_recording"' in (tests.folder / "results.xml").read_text()
