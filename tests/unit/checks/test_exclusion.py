"""Two cores inside a region of code."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.exclusion import Exclusion, Region, parse_region
from uniSMP.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))
from histories import history

SYMBOLS = {"work": 0x100, "enter": 0x110, "leave": 0x120, "other": 0x200, "behind": 0x210}
E, L, W = 0x110, 0x120, 0x100
REGION = Region("enter", "leave")


@pytest.mark.parametrize(
    "run",
    [
        [],
        [(0, E), (0, L), (1, E), (1, L)],
        [(0, E), (1, W), (0, L), (1, E)],
        [(0, E), (0, E), (0, L), (1, W), (0, L), (1, E)],
        [(1, L), (0, E), (0, L), (1, E)],  # core 1 leaves what it entered before the history
    ],
)
def test_cores_inside_one_after_the_other_are_no_violation(run: list[tuple[int, int]]) -> None:
    assert Exclusion(REGION).examine(history(run, cores=2, symbols=SYMBOLS)) == []


@pytest.mark.parametrize(
    ("run", "step", "core"),
    [
        ([(0, E), (1, E)], 11, 1),
        ([(1, E), (0, W), (0, E)], 12, 0),
        ([(0, E), (0, E), (0, L), (1, E)], 13, 1),  # the outer entry is not left
        ([(0, L), (0, E), (1, E)], 12, 1),
        ([(0, E), (0, W), (1, E), (1, E), (0, E)], 12, 1),
    ],
)
def test_core_that_enters_while_another_is_inside_is_a_violation(
    run: list[tuple[int, int]], step: int, core: int
) -> None:
    found = Exclusion(REGION).examine(history(run, cores=2, symbols=SYMBOLS, first_step=10))
    assert [(each.step, each.core, each.key) for each in found] == [
        (step, core, ("exclusion", "enter..leave"))
    ]


def test_summary_names_both_cores_and_where_the_other_is() -> None:
    run = [(2, E), (2, L), (0, E), (0, 0x118), (1, W), (1, E)]
    [found] = Exclusion(REGION).examine(history(run, cores=3, symbols=SYMBOLS))
    assert found.summary == (
        "core 1 enters enter..leave at step 5 while core 0 is inside since step 2, last at "
        "enter+0x8 (0x118)"
    )
    assert found.rips == (0x110, 0x118)


def test_regions_are_watched_each_on_its_own() -> None:
    run = [(0, E), (1, 0x200), (2, 0x200), (1, 0x210), (2, E)]
    check = Exclusion(REGION, Region("other", "0x210"))
    found = check.examine(history(run, cores=3, symbols=SYMBOLS))
    assert [(each.step, each.key[1]) for each in found] == [
        (2, "other..0x210"),
        (4, "enter..leave"),
    ]


def test_symbols_in_the_upper_half_are_found() -> None:
    symbols = {"enter": 0xFFFF_FFFF_8000_0000, "leave": 0xFFFF_FFFF_8000_0010}
    low = -0x8000_0000
    run = [(0, low), (1, low)]
    [found] = Exclusion(REGION).examine(history(run, cores=2, symbols=symbols))
    assert found.rips == (0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_8000_0000)


def test_text_becomes_a_region() -> None:
    assert parse_region("pmm_enter..pmm_exit") == Region("pmm_enter", "pmm_exit")
    assert str(parse_region(" 0x10 .. b ")) == "0x10..b"


@pytest.mark.parametrize("text", ["", "a", "a..", "..b", "a.b", "a...b", ".."])
def test_text_of_another_form_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write ENTER\.\.EXIT"):
        parse_region(text)


def test_region_needs_two_ends() -> None:
    with pytest.raises(ConfigError, match="two different ends"):
        parse_region("a..a")
    with pytest.raises(ConfigError, match="both ends are at 0x110"):
        Exclusion(Region("enter", "0x110")).examine(history([], cores=1, symbols=SYMBOLS))


def test_missing_symbol_is_an_error() -> None:
    with pytest.raises(ConfigError, match="there is no symbol nowhere"):
        Exclusion(Region("enter", "nowhere")).examine(history([], cores=1, symbols=SYMBOLS))
