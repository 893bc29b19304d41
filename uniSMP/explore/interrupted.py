"""Finds out whether handlers leave what they interrupt as it was.

A handler that does, and that does not look at it either, may come between any two instructions that
do nothing others could notice: it makes no difference which. Others are *opaque*, see `opaque`.
Values are compared here; where those of general registers come from is for `handler_flow` to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from uniSMP.arch.flags import Rflags
from uniSMP.core import context as cx
from uniSMP.core import native_flags
from uniSMP.core.core import Core

_GENERAL = (
    *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
    *(f"r{number}" for number in range(8, 16)),
)
REGISTER_NAMES = (*_GENERAL, "flags", "more than can be followed")
"""By bits of the tables of `handler_flow`."""
_VECTOR_REGISTERS, _VECTOR_STRIDE, _VECTOR_BYTES = 16, 64, 16
_SEGMENT_BYTES = 24
_SEGMENTS = {"es": cx.ES, "ds": cx.DS, "fs": cx.FS, "gs": cx.GS}
_X87 = cx.EFER + 8
_CONTROLS = {"cr0": cx.CR0, "cr3": cx.CR3, "cr4": cx.CR4}
Found = dict[tuple[int, int], set[str]]
"""By core and vector: what a handler was seen to change, or to look at."""


FRAME = "uses the pushed frame"


@dataclass(frozen=True, slots=True)
class _Stand:
    """How a core stood when an interrupt was delivered to it."""

    vector: int
    rip: int
    flags: int
    state: bytes


class InterruptedCode:
    """Compares how cores stand behind handlers of interrupts with how they stood before.

    Args:
        cores: all cores.

    Attributes:
        changed: what handlers have changed since all was forgotten last.
    """

    def __init__(self, cores: Sequence[Core]) -> None:
        self._cores = cores
        self._stands: list[list[_Stand]] = [[] for _ in cores]
        self.changed: Found = {}

    def forget(self) -> None:
        """Forget everything."""
        self.changed = {}
        for stands in self._stands:
            stands.clear()

    def is_any(self, core_id: int) -> bool:
        """Return whether some handler has not gone back on a core."""
        return bool(self._stands[core_id])

    def enter(self, core_id: int, vector: int) -> None:
        """Take note of how a core stands: an interrupt is about to be delivered."""
        context = self._cores[core_id].engine.context
        stand = _Stand(vector, context.linear_rip, self._flags(core_id), context.save())
        self._stands[core_id].append(stand)

    def look(self, core_id: int) -> None:
        """Look whether a core has gone back to what was interrupted; it stands behind an IRET."""
        stands = self._stands[core_id]
        if not stands:
            return
        context = self._cores[core_id].engine.context
        rip, top = context.linear_rip, context.register(cx.RSP)
        for place in range(len(stands) - 1, -1, -1):
            stand = stands[place]
            if stand.rip == rip and _quad(stand.state, 8 * cx.RSP) == top:
                del stands[place]
                changes = {f"changes {name}" for name in _changes(stand.state, context.save())}
                if (stand.flags ^ self._flags(core_id)) & ~int(Rflags.RF):
                    changes.add("changes flags")
                if changes:
                    self.changed.setdefault((core_id, stand.vector), set()).update(changes)
                return

    def _flags(self, core_id: int) -> int:
        return int(native_flags.read_flags(self._cores[core_id].engine.state))


def _quad(state: bytes, offset: int) -> int:
    return int.from_bytes(state[offset : offset + 8], "little")


def _changes(before: bytes, after: bytes) -> list[str]:
    """Return the names of what differs; CR2, CS and SS are left out."""
    changed = [
        name
        for number, name in enumerate(_GENERAL)
        if _quad(before, 8 * number) != _quad(after, 8 * number)
    ]
    for number in range(_VECTOR_REGISTERS):
        first = cx.XMM + number * _VECTOR_STRIDE
        if before[first : first + _VECTOR_BYTES] != after[first : first + _VECTOR_BYTES]:
            changed.append(f"xmm{number}")
    for name, number in _SEGMENTS.items():
        first = cx.SEGMENTS + number * _SEGMENT_BYTES
        if before[first : first + 16] != after[first : first + 16]:
            changed.append(name)
    changed += [name for name, at in _CONTROLS.items() if _quad(before, at) != _quad(after, at)]
    if before[_X87 : cx.XMM] != after[_X87 : cx.XMM]:
        changed.append("x87")
    return changed
