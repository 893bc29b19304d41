"""Checks by name."""

import pytest

from uniSMP.checks.history import Needs
from uniSMP.errors import ConfigError
from uniSMP.explore.check_choice import make_checks
from uniSMP.explore.job import CheckChoice


@pytest.mark.parametrize(
    ("name", "parameters", "check", "needs"),
    [
        ("exclusion", {"regions": "a..b"}, "exclusion", Needs.NOTHING),
        ("exclusion", {"regions": ["a..b", "c..d"]}, "exclusion", Needs.NOTHING),
        ("pmm", {}, "invariants", Needs.ACCESSES),
        ("pmm", {"region": "a..b"}, "invariants", Needs.ACCESSES),
        ("races", {}, "races", Needs.ACCESSES | Needs.EVENTS),
        ("races", {"atomic": "a+b..c"}, "races", Needs.ACCESSES | Needs.EVENTS),
        ("races", {"others": "locked-words"}, "races", Needs.ACCESSES | Needs.EVENTS),
    ],
)
def test_choice_becomes_a_check(
    name: str, parameters: dict[str, object], check: str, needs: Needs
) -> None:
    [made] = make_checks((CheckChoice(name, parameters),))
    assert (made.name, made.needs) == (check, needs)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        (
            "nothing",
            {},
            "no check is called nothing: choose one of code-writes, end-of-interrupt, exclusion, ",
        ),
        ("exclusion", {"regions": "a"}, r"write ENTER\.\.EXIT"),
        ("exclusion", {"region": "a..b"}, "check exclusion has no region: it has regions"),
        ("races", {"others": "all"}, "others=all: choose one of declared, locked-words, aligned"),
        ("races", {"atomic": "a+"}, r"write atomic=PLACE\+PLACE"),
        ("races", {"symbols": "a"}, "check races has no symbols: it has atomic, others"),
        ("pmm", {"region": "x"}, r"write ENTER\.\.EXIT"),
    ],
)
def test_choice_that_means_nothing_is_an_error(
    name: str, parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_checks((CheckChoice(name, parameters),))
