"""Mistakes in the marker's arguments are one clear line."""

from typing import Any

import pytest

pytest_plugins = "pytester"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("2", "2 has no name: write cores=2, schedules=20"),
        ("core=2", "unknown argument core: choose from cores, schedules, "),
        ("cores=0", "cores = 0: choose a whole number from 1"),
        ("cores='two'", "cores = 'two': choose a whole number from 1"),
        ("cores=True", "cores = True: choose a whole number from 1"),
        ("cores=300", "cores = 300: choose 1 to 255"),
        ("schedules=0", "schedules = 0: choose 1 or more"),
        ("schedules='many'", "schedules = 'many': choose how many, or a list of seeds"),
        ("schedules=[]", "schedules = []: choose how many, or a list of seeds"),
        ("schedules=[-1]", "schedules = [-1]: choose how many, or a list of seeds"),
        ("schedules=[1, 1]", "schedules = [1, 1]: a seed stands there twice"),
        ("quantum=0", "quantum = 0: choose a whole number from 1 to 4294967296"),
        ("quantum=1 << 33", "choose a whole number from 1 to 4294967296"),
        ("max_instructions=0", "max_instructions = 0: choose a whole number from 1"),
        ("memory='64X'", "'64X' is not a size"),
        ("memory=1000", "RAM of 1000 is out of range"),
        ("memory=None", "memory = None: choose bytes, or a text such as '64M'"),
        ("boot='uefi'", "boot = 'uefi': choose one of multiboot, long"),
        ("ticks_per_instruction=0", "ticks_per_instruction = 0: choose a whole number from 1"),
        ("command_line=3", "command_line = 3: this is no str"),
        ("serial_input='text'", "serial_input = 'text': this is no bytes"),
        ("modules='file'", "modules = 'file': choose a list of files"),
        ("image='hello', source='hlt'", "image and source are given: choose one"),
    ],
)
def test_mistake_is_told_when_tests_are_collected(tests: Any, arguments: str, message: str) -> None:
    tests.write_race(arguments)
    result = tests.run()
    result.assert_outcomes(errors=1)
    lines = [line for line in result.outlines if "@pytest.mark.unismp" in line]
    assert lines[0].startswith("test_it.py::test_race: @pytest.mark.unismp: ")
    assert message in lines[0]
    assert "Traceback" not in result.stdout.str()


def test_marker_without_the_fixture_is_a_mistake(tests: Any) -> None:
    tests.write("""
@pytest.mark.unismp(cores=2)
def test_nothing():
    pass
""")
    result = tests.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*@pytest.mark.unismp: no fixture `machine` is used"])


def test_marker_is_known_to_pytest(tests: Any) -> None:
    tests.run("--markers").stdout.fnmatch_lines(["@pytest.mark.unismp(cores=..., schedules=*"])
    tests.write_race("cores=2, schedules=1")
    tests.run("--strict-markers").assert_outcomes(passed=1)


def test_guest_that_is_not_there_is_told(tests: Any) -> None:
    tests.write_race("image='no_such_guest'")
    result = tests.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no guest program and no file is called no_such_guest*"])
    assert tests.recordings() == []
