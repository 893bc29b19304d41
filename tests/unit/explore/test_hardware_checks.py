"""Checks of interrupts and memory by name."""

import pytest

from uniSMP.errors import ConfigError
from uniSMP.explore.check_choice import make_checks
from uniSMP.explore.job import CheckChoice


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("code-writes", {}),
        ("code-writes", {"allowed": "a..b+c..d"}),
        ("end-of-interrupt", {"most_instructions": "0x100"}),
        ("freed-frames", {}),
        ("guard-pages", {"guards": "a..b", "stacks": ["c..d"]}),
        ("interrupt-nesting", {"most_levels": 2}),
        ("interrupts-off", {"most_instructions": 5000}),
        ("lock-discipline", {"locks": "tas_word+0x2000"}),
        ("lost-interrupts", {"most_instructions": "9", "last_instructions": "7"}),
        ("stale-translations", {"shootdown_instructions": "50"}),
    ],
)
def test_choice_becomes_a_check(name: str, parameters: dict[str, object]) -> None:
    [made] = make_checks((CheckChoice(name, parameters),))
    assert made.name == name


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("freed-frames", {"region": "a..b"}, "check freed-frames has no region: it takes nothing"),
        ("guard-pages", {"stack": "a..b"}, "has no stack: it has guards, stacks"),
        ("interrupt-nesting", {"most_levels": "two"}, "most_levels=two: give a number"),
        ("interrupt-nesting", {"most_levels": 0}, "most_levels=0: it must be 1 or more"),
    ],
)
def test_choice_that_means_nothing_is_an_error(
    name: str, parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_checks((CheckChoice(name, parameters),))
