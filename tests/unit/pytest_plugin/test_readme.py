"""The README's example of a test does what the README says."""

import re
from pathlib import Path
from typing import Any

pytest_plugins = "pytester"
_README = Path(__file__).parents[3] / "README.md"


def blocks() -> list[str]:
    section = _README.read_text().split("\n## In tests\n")[1].split("\n## ")[0]
    return re.findall(r"\n```(?:python)?\n(.*?)```", section, re.DOTALL)


def test_example_fails_as_it_says(tests: Any) -> None:
    example, output = blocks()
    tests.pytester.makepyfile(test_count=example)
    result = tests.run()
    result.assert_outcomes(failed=2, passed=18)
    told = [line for line in output.splitlines() if line != "..."]
    assert [line for line in told if line not in result.outlines] == []


def test_example_passes_with_its_remedy(tests: Any) -> None:
    example, _output = blocks()
    wrong = re.compile(r" +mov eax, \[count\]\n +inc eax\n +mov \[count\], eax[^\n]*\n")
    tests.pytester.makepyfile(test_count=wrong.sub("lock inc dword ptr [count]\n", example))
    tests.run().assert_outcomes(passed=20)
