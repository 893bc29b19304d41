"""By which calls and interrupts a core came to an instruction, told by what lies on its stacks.

An instruction that writes the address behind itself, and is not followed by what stands there, is a
call; an interrupt or exception writes the address to return to. Who reads such a word where it was
written, and goes on at the address in it, returns, from everything entered since as well. Jumps
belong to the function that jumped. Nothing is decoded, so code may lie anywhere.

Not modelled: calls of 16-bit code, deliveries through 16-bit gates.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from uniSMP.checks.history import DELIVERY, PAGE_WALK, WRITE, AccessRows, History, Signed
from uniSMP.checks.places import Places
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_LONGEST_INSTRUCTION = 15
_LEAST_BYTES = 4
_CALL, _HANDLER, _RETURN = range(3)
_DEEPEST = 256
_MOST_SHOWN = 8
_MASK64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Frame:
    """A function or handler that a core is in.

    Attributes:
        function: linear address of the first instruction executed in it.
        is_handler: whether an interrupt, an exception or INT n entered it.
    """

    function: int
    is_handler: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Moves:
    """Calls, entries of handlers and returns of one core, in order."""

    row: Signed
    kind: Signed
    place: Signed
    function: Signed


class CallPaths:
    """The call paths of one history.

    Args:
        history: with accesses; its first instructions are taken to be in no function.
    """

    def __init__(self, history: History) -> None:
        assert history.accesses is not None, "call paths need accesses"
        self._history = history
        self._rows: AccessRows = history.accesses
        self._moves: dict[int, _Moves] = {}

    def frames(self, row: int) -> list[Frame]:
        """Return the frames of the core that made an access, the innermost first.

        The last one is where the history of the core began, or began again with a start-up.

        Args:
            row: of the accesses.
        """
        core, step = int(self._rows.core[row]), int(self._rows.step[row])
        begin = self._beginning(core, step)
        moves = self._moves_of(core)
        first = int(np.searchsorted(moves.row, np.searchsorted(self._rows.step, begin)))
        end = int(np.searchsorted(moves.row, row))
        found = _replay(
            moves.kind[first:end],
            moves.place[first:end],
            moves.function[first:end],
        )
        frames = [
            Frame(int(function) & _MASK64, bool(kind == _HANDLER)) for function, kind in found[::-1]
        ]
        own = self._history.core[begin - self._history.first_step :] == core
        if own.any():
            root = self._history.rip[begin - self._history.first_step + int(np.argmax(own))]
            frames.append(Frame(int(root) & _MASK64, is_handler=False))
        return frames

    def describe(self, row: int, places: Places) -> str:
        """Return the frames as text: "inner < outer < interrupt handler < first"."""
        frames = self.frames(row)
        words = [
            ("interrupt " if frame.is_handler else "") + places.show(frame.function).split(" ")[0]
            for frame in frames[:_MOST_SHOWN]
        ]
        if len(frames) > _MOST_SHOWN:
            words.append(f"{len(frames) - _MOST_SHOWN} more")
        return " < ".join(words)

    def _beginning(self, core: int, step: int) -> int:
        """Return the step from which on the core's frames are known."""
        starts = [
            event.step
            for event in self._history.events
            if event.core == core and event.kind in {"init", "start_up"} and event.step <= step
        ]
        return max([self._history.first_step, *starts])

    def _moves_of(self, core: int) -> _Moves:
        if core not in self._moves:
            self._moves[core] = self._find_moves(core)
        return self._moves[core]

    def _find_moves(self, core: int) -> _Moves:
        rows, history = self._rows, self._history
        chosen = (rows.core == core) & (rows.size >= _LEAST_BYTES) & (rows.kind & PAGE_WALK == 0)
        at = np.nonzero(chosen)[0]
        steps, value, rip = rows.step[at], rows.value[at], rows.rip[at]
        is_write, is_delivery = rows.kind[at] & WRITE != 0, rows.kind[at] & DELIVERY != 0
        executed = np.nonzero(history.core == core)[0]
        rips = np.concatenate([history.rip[executed], [-1, -1]])
        place = np.searchsorted(executed, steps - history.first_step)
        own = np.concatenate([executed, [-1, -1]])[place] == steps - history.first_step
        own &= rips[place] == rip
        following = rips[place + 1]
        offset = value - rip
        is_near = (offset >= 0) & (offset <= _LONGEST_INSTRUCTION)
        kind = np.full(len(at), -1, np.int64)
        kind[own & is_write & is_near & (offset > 0) & (following != value)] = _CALL
        kind[own & ~is_write & (following == value)] = _RETURN
        kind[is_delivery] = -1
        kind[is_delivery & is_write & is_near] = _HANDLER
        moves = np.nonzero(kind >= 0)[0]
        function = np.where(kind == _HANDLER, rips[place], following)
        return _Moves(at[moves], kind[moves], rows.physical[at[moves]], function[moves])


@njit(cache=_CACHE)
def _replay(kinds: Any, places: Any, functions: Any) -> Any:  # noqa: ANN401
    """Return (function, kind) of the frames that stay, the outermost first."""
    frames = np.empty((_DEEPEST, 3), dtype=np.int64)
    depth = 0
    for index in range(len(kinds)):
        found = depth - 1
        while found >= 0 and frames[found, 2] != places[index]:
            found -= 1
        if found >= 0:  # returned from, or overwritten and so left in another way
            depth = found
        if kinds[index] == _RETURN:
            continue
        if depth == _DEEPEST:
            depth = 0
        frames[depth, 0], frames[depth, 1] = functions[index], kinds[index]
        frames[depth, 2] = places[index]
        depth += 1
    return frames[:depth, :2].copy()
