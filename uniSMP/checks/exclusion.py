"""Exclusion: no two cores may be inside a region of code at the same time.

A core is inside from the instruction at the region's first address until the one at its last
address retires. What it does in between, interrupt handlers included, happens inside; entries nest.

Not modelled: a core that an INIT takes out of a region stays inside.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from uniSMP.checks.history import History, Needs, Signed, Violation
from uniSMP.checks.places import Places, resolve
from uniSMP.errors import ConfigError
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
NAME = "exclusion"


@dataclass(frozen=True, slots=True)
class Region:
    """A region of code.

    Attributes:
        enter: symbol or address of the first instruction inside.
        leave: symbol or address of the last one.
    """

    enter: str
    leave: str

    def __str__(self) -> str:
        return f"{self.enter}..{self.leave}"


def parse_region(text: str) -> Region:
    """Return the region that "ENTER..EXIT" stands for; each a symbol or an address.

    Raises:
        ConfigError: it has another form.
    """
    enter, dots, leave = (part.strip() for part in text.partition(".."))
    if not dots or not enter or not leave or leave.startswith("."):
        raise ConfigError(
            f"region {text!r}: write ENTER..EXIT, two symbols or addresses, such as "
            "pmm_enter..pmm_exit"
        )
    if enter == leave:
        raise ConfigError(f"region {text!r}: a region needs two different ends")
    return Region(enter, leave)


@dataclass(frozen=True, slots=True, eq=False)
class Passages:
    """Where cores pass the ends of a region, in the order of the run.

    Attributes:
        step: of the instruction.
        core: its core.
        is_enter: whether it is the first of the region, else the last.
        before: how many entries the core had not left before it.
        after: the same behind it.
        inside: how many cores are inside behind it.
    """

    step: Signed
    core: npt.NDArray[np.uint8]
    is_enter: npt.NDArray[np.bool_]
    before: Signed
    after: Signed
    inside: Signed


def find_passages(history: History, region: Region) -> Passages:
    """Return where cores pass the ends of a region.

    Raises:
        ConfigError: a symbol is missing, or both ends are one address.
    """
    enter, leave = resolve(history.symbols, region.enter), resolve(history.symbols, region.leave)
    if enter == leave:
        raise ConfigError(f"region {region}: both ends are at {enter:#x}")
    rip = history.rip.view(np.uint64)
    mask = (1 << 64) - 1
    is_enter = rip == np.uint64(enter & mask)
    rows = np.nonzero(is_enter | (rip == np.uint64(leave & mask)))[0]
    core, is_enter = history.core[rows], is_enter[rows]
    before, after, inside = _count(core, is_enter)
    return Passages(rows + history.first_step, core, is_enter, before, after, inside)


@njit(cache=_CACHE)
def _count(core: Any, is_enter: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401
    """Return the depth of the core before and behind each passage, and how many are inside then.

    Who leaves what it never entered stays outside.
    """
    before, after = np.empty(len(core), np.int64), np.empty(len(core), np.int64)
    inside = np.empty(len(core), np.int64)
    depths = np.zeros(256, np.int64)
    count = 0
    for row in range(len(core)):
        depth = depths[core[row]]
        before[row] = depth
        after[row] = depth + 1 if is_enter[row] else max(depth - 1, 0)
        depths[core[row]] = after[row]
        count += (after[row] > 0) - (depth > 0)
        inside[row] = count
    return before, after, inside


class Exclusion:
    """Two cores inside one region.

    Args:
        regions: each on its own: cores may be in different ones at once.

    Attributes:
        name: "exclusion".
        needs: nothing.
    """

    def __init__(self, *regions: Region) -> None:
        self.name = NAME
        self.needs = Needs.NOTHING
        self._regions = regions

    def examine(self, history: History) -> list[Violation]:
        """Return the first violation of each region, the earliest first.

        Raises:
            ConfigError: a symbol is missing, or both ends of a region are one address.
        """
        found = [_examine(history, region) for region in self._regions]
        return sorted((each for each in found if each is not None), key=lambda each: each.step)


def _examine(history: History, region: Region) -> Violation | None:
    passages = find_passages(history, region)
    is_violation = passages.is_enter & (passages.before == 0) & (passages.inside > 1)
    if not is_violation.any():
        return None
    row = int(np.argmax(is_violation))
    step, core = int(passages.step[row]), int(passages.core[row])
    entry = _entry_before(passages, row)
    since, other = int(passages.step[entry]), int(passages.core[entry])
    rip, other_rip = _last_rip(history, core, step), _last_rip(history, other, step)
    places = Places(history.symbols)
    summary = (
        f"core {core} enters {region} at step {step} while core {other} is inside since step "
        f"{since}, last at {places.show(other_rip)}"
    )
    return Violation(NAME, summary, step, core, (NAME, str(region)), (rip, other_rip))


def _entry_before(passages: Passages, row: int) -> int:
    """Return the row in which the last of the other cores that are inside entered."""
    before = np.arange(row - 1, -1, -1)
    _, places = np.unique(passages.core[before], return_index=True)
    inside = {
        int(passages.core[before[place]])
        for place in places
        if passages.after[before[place]] > 0 and passages.core[before[place]] != passages.core[row]
    }
    began = passages.is_enter[before] & (passages.before[before] == 0)
    return int(before[np.argmax(began & np.isin(passages.core[before], list(inside)))])


def _last_rip(history: History, core: int, step: int) -> int:
    """Return the linear address of the last instruction of a core up to a step."""
    upto = history.core[: step - history.first_step + 1]
    found = len(upto) - 1 - int(np.argmax(upto[::-1] == core))
    return int(history.rip[found]) & (1 << 64) - 1
