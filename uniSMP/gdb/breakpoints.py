"""Breakpoints and watchpoints: what `Z` and `z` packets say, and the conditions it means.

A software breakpoint is a condition like a hardware one: no byte of the guest is changed.

Source: GDB manual, appendix "GDB Remote Serial Protocol", sections "Packets" (Z) and "Stop Reply
Packets".
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from uniSMP.replay.conditions import Accessed, AccessedPhysical, AtAddress

if TYPE_CHECKING:
    from uniSMP.replay.conditions import Condition

SOFTWARE, HARDWARE, WRITE, READ, ACCESS = range(5)
_KINDS = {WRITE: "w", READ: "r", ACCESS: "rw"}
_REASONS = {WRITE: "watch", READ: "rwatch", ACCESS: "awatch"}
_LONGEST_WATCH_BYTES = 1 << 20
_ADDRESS_END = 1 << 64


@dataclass(frozen=True, slots=True)
class Point:
    """A breakpoint or a watchpoint.

    Attributes:
        type: SOFTWARE, HARDWARE, WRITE, READ or ACCESS.
        address: linear, or physical.
        size_bytes: of a watchpoint.
        is_physical: whether `address` is physical (watchpoints only).
    """

    type: int
    address: int
    size_bytes: int
    is_physical: bool = False

    @property
    def condition(self) -> "Condition":
        """What the time line stops at."""
        if self.type in (SOFTWARE, HARDWARE):
            return AtAddress(self.address)
        kind = AccessedPhysical if self.is_physical else Accessed
        return kind(self.address, self.size_bytes, _KINDS[self.type])

    @property
    def reason(self) -> str:
        """What a stop reply says of it."""
        if self.type in _REASONS:
            return f"{_REASONS[self.type]}:{self.address:x};"
        return "swbreak:;" if self.type == SOFTWARE else "hwbreak:;"


class Points:
    """Those that are inserted."""

    def __init__(self) -> None:
        self._points: dict[Point, None] = {}

    def insert(self, point: Point) -> bool:
        """Insert one, or do nothing where it is there; False where it cannot be understood."""
        is_watch = point.type in _KINDS
        if is_watch and not 0 < point.size_bytes <= _LONGEST_WATCH_BYTES:
            return False
        if point.address + point.size_bytes > _ADDRESS_END:
            return False
        self._points[point] = None
        return True

    def remove(self, point: Point) -> None:
        """Remove one, or do nothing where it is not there."""
        self._points.pop(point, None)

    def clear(self) -> None:
        """Remove all."""
        self._points.clear()

    @property
    def has_watchpoints(self) -> bool:
        """Whether there is any watchpoint."""
        return any(point.type in _KINDS for point in self._points)

    def conditions(self) -> "list[Condition]":
        """Return what the time line stops at, each once."""
        return list(dict.fromkeys(point.condition for point in self._points))

    def reason(self, condition: "Condition") -> str:
        """Return what a stop reply says of a condition that was met."""
        for point in self._points:
            if point.condition == condition:
                return point.reason
        return ""
