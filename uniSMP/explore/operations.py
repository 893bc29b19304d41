"""What each instruction of a `lock_` program is spent on: operations, services, or neither.

- An *operation* of a core begins with the instruction at `pmm_call` and ends with the one at
  `pmm_call_done`: the tries of a protocol that sends its caller back are one operation.
- A *service* is one run of the handler of VECTOR_PROTOCOL, from its prestub to its IRETQ: what a
  core does for the operation of another (freeze, delegate).
- Handlers of all other vectors belong to neither, and what they interrupt goes on after them.

Operations and services *wait* from a PAUSE to the last one that follows before the handler begins
(`pmm_enter`), both included: every wait loop of the protocols has a PAUSE. The first, failing look
before it and the successful one behind it are no wait.

Everything follows from the addresses of the instructions executed: prestub v stands at `prestubs` +
16 v and begins with interrupts off, since all gates are interrupt gates; CLI, STI, POPFQ and IRETQ
are known from the code of executed blocks, and what the last two load from what they read.
"""

from collections.abc import Mapping, Sequence
from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from uniSMP.errors import ConfigError
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
Bytes = npt.NDArray[np.uint8]
Signed = npt.NDArray[np.int64]

NOTHING = -1
"""Piece of an instruction that belongs to none."""
OPERATION, SERVICE = 0, 1
KIND, CORE, BEGIN, END, INSTRUCTIONS, WAITING, LONGEST_WAIT, LONGEST_OFF = range(8)
LOCKED, TRANSFERS, UPGRADES = range(8, 11)
"""Columns of the table of pieces: operations and services. END is -1 while it goes on."""
_IS_WAITING, _SINCE_PAUSE, _FIRST_PAUSE = range(11, 14)
_COLUMNS = 14

_OPERATION, _DEPTH, _IS_OFF, _OFF_PIECE, _OFF_LENGTH = range(5)
"""Columns of the state of each core."""
_MOST_DEPTH = 64
_PRESTUB_BYTES = 16
_VECTORS = 256


class Mark(IntFlag):
    """What is known of the instruction at an address."""

    CLI = 1
    STI = 2
    POPFQ = 4
    IRETQ = 8
    PAUSE = 16
    ENTRY = 32
    """First instruction of a prestub."""
    HANDLER = 64
    """First instruction of the memory manager's handler."""
    CALL = 128
    """First instruction of an operation."""
    CALL_DONE = 256
    """Last instruction of an operation."""


_CODES = {
    b"\xfa": Mark.CLI,
    b"\xfb": Mark.STI,
    b"\x9d": Mark.POPFQ,
    b"\x48\xcf": Mark.IRETQ,
    b"\xf3\x90": Mark.PAUSE,
}
_SYMBOLS = {"pmm_enter": Mark.HANDLER, "pmm_call": Mark.CALL, "pmm_call_done": Mark.CALL_DONE}
_CLI, _STI, _LOADS_FLAGS = int(Mark.CLI), int(Mark.STI), int(Mark.POPFQ | Mark.IRETQ)
_IRETQ, _PAUSE, _ENTRY = int(Mark.IRETQ), int(Mark.PAUSE), int(Mark.ENTRY)
_HANDLER, _CALL, _CALL_DONE = int(Mark.HANDLER), int(Mark.CALL), int(Mark.CALL_DONE)


@njit(cache=_CACHE, nogil=True)
def _begin(pieces: Any, count: int, kind: int, core: int, step: int) -> int:  # noqa: ANN401
    pieces[count, :] = 0
    pieces[count, KIND], pieces[count, CORE] = kind, core
    pieces[count, BEGIN], pieces[count, END] = step, -1
    return count + 1


@njit(cache=_CACHE, nogil=True)
def _enter(state: Any, stack: Any, piece: int) -> None:  # noqa: ANN401
    """Enter a handler whose instructions belong to a piece."""
    stack[state[_DEPTH]] = piece
    state[_DEPTH] = min(state[_DEPTH] + 1, _MOST_DEPTH - 1)
    state[_IS_OFF] = 1


@njit(cache=_CACHE, nogil=True)
def _count(piece: Any, marks: int, step: int) -> None:  # noqa: ANN401
    """Count an instruction of a piece, and whether it waits."""
    piece[INSTRUCTIONS] += 1
    if marks & _PAUSE:
        if not piece[_IS_WAITING]:
            piece[_IS_WAITING], piece[_FIRST_PAUSE] = 1, step
        piece[WAITING] += piece[_SINCE_PAUSE] + 1
        piece[_SINCE_PAUSE] = 0
        piece[LONGEST_WAIT] = max(piece[LONGEST_WAIT], step - piece[_FIRST_PAUSE] + 1)
    elif marks & _HANDLER:
        piece[_IS_WAITING] = piece[_SINCE_PAUSE] = 0
    elif piece[_IS_WAITING]:
        piece[_SINCE_PAUSE] += 1


@njit(cache=_CACHE, nogil=True)
def _follow_flag(state: Any, pieces: Any, piece: int, marks: int, loaded: int) -> None:  # noqa: ANN401
    """Count an instruction with IF = 0 where its stretch began, and find IF behind it."""
    if state[_IS_OFF]:
        if state[_OFF_LENGTH] == 0:
            state[_OFF_PIECE] = piece
        state[_OFF_LENGTH] += 1
        began = state[_OFF_PIECE]
        if began >= 0:
            pieces[began, LONGEST_OFF] = max(pieces[began, LONGEST_OFF], state[_OFF_LENGTH])
    if marks & _CLI:
        state[_IS_OFF] = 1
    elif marks & _STI:
        state[_IS_OFF] = 0
    elif marks & _LOADS_FLAGS:
        state[_IS_OFF] = 1 - loaded
    if not state[_IS_OFF]:
        state[_OFF_LENGTH] = 0


@njit(cache=_CACHE, nogil=True)
def _follow(
    rows: Any,  # noqa: ANN401
    first_step: int,
    code: Any,  # noqa: ANN401
    places: tuple[int, int, int, int],
    table: tuple[Any, int],
    cores: tuple[Any, Any],
) -> int:
    """Fill the piece of each row; return how many pieces there are."""
    core_rows, rips, flags, piece_rows = rows
    origin, prestubs, pmm_vector, protocol_vector = places
    pieces, count = table
    states, stacks = cores
    for row in range(len(rips)):
        core, at, step = core_rows[row], rips[row] - origin, first_step + row
        marks = int(code[at]) if 0 <= at < len(code) else 0
        state, stack = states[core], stacks[core]
        if marks & _ENTRY:
            vector = (rips[row] - prestubs) // _PRESTUB_BYTES
            piece = NOTHING
            if vector == pmm_vector and state[_DEPTH] == 0:
                piece = state[_OPERATION]
            elif vector == protocol_vector:
                piece, count = count, _begin(pieces, count, SERVICE, core, step)
            _enter(state, stack, piece)
        elif marks & _CALL and state[_DEPTH] == 0:
            state[_OPERATION], count = count, _begin(pieces, count, OPERATION, core, step)
        depth = state[_DEPTH]
        piece = stack[depth - 1] if depth else state[_OPERATION]
        piece_rows[row] = piece
        if piece >= 0:
            _count(pieces[piece], marks, step)
        _follow_flag(state, pieces, piece, marks, flags[row])
        if marks & _IRETQ and depth:
            state[_DEPTH] = depth - 1
            if piece >= 0 and pieces[piece, KIND] == SERVICE:
                pieces[piece, END] = step
        elif marks & _CALL_DONE and depth == 0 and piece >= 0:
            pieces[piece, END] = step
            state[_OPERATION] = NOTHING
    return count


class Operations:
    """The operations and services of one run, followed from power-on.

    Args:
        cores: how many cores there are.
        symbols: of the program.
        origin: address of its first byte.
        size_bytes: how many it has.

    Raises:
        ConfigError: the program has no memory manager, or no prestubs.
    """

    def __init__(
        self, cores: int, symbols: Mapping[str, int], origin: int, size_bytes: int
    ) -> None:
        needed = (*_SYMBOLS, "prestubs", "VECTOR_PMM", "VECTOR_PROTOCOL")
        missing = [name for name in needed if name not in symbols]
        if missing:
            raise ConfigError(f"this program has no symbol {', '.join(missing)}")
        self._origin = origin
        self._code: npt.NDArray[np.uint16] = np.zeros(size_bytes, dtype=np.uint16)
        prestubs = symbols["prestubs"]
        self._places = (origin, prestubs, symbols["VECTOR_PMM"], symbols["VECTOR_PROTOCOL"])
        for vector in range(_VECTORS):
            self._code[prestubs + vector * _PRESTUB_BYTES - origin] |= Mark.ENTRY
        for name, mark in _SYMBOLS.items():
            self._code[symbols[name] - origin] |= mark
        self._pieces: Signed = np.zeros((0, _COLUMNS), dtype=np.int64)
        self._count = 0
        self._states: Signed = np.zeros((cores, 5), dtype=np.int64)
        self._states[:, _OPERATION] = self._states[:, _OFF_PIECE] = NOTHING
        self._states[:, _IS_OFF] = 1
        self._stacks: Signed = np.full((cores, _MOST_DEPTH), NOTHING, dtype=np.int64)

    @property
    def pieces(self) -> Signed:
        """The operations and services so far, one row each, in the order of their beginnings."""
        return self._pieces[: self._count]

    def learn(self, address: int, code: bytes, offsets: Sequence[int]) -> None:
        """Take the 64-bit code of a block, with the offset of each instruction."""
        if not self._origin <= address <= self._origin + len(self._code) - len(code):
            return
        for first, end in zip(offsets, [*offsets[1:], len(code)], strict=True):
            mark = _CODES.get(code[first:end])
            if mark is not None:
                self._code[address + first - self._origin] |= mark

    def marks(self, rip: Signed) -> npt.NDArray[np.uint16]:
        """Return what is known of the instructions at linear addresses."""
        at = rip - self._origin
        is_inside = (at >= 0) & (at < len(self._code))
        return np.where(is_inside, self._code[np.where(is_inside, at, 0)], np.uint16(0))

    def take(self, first_step: int, core: Bytes, rip: Signed, flag: Bytes) -> Signed:
        """Follow the next instructions; return for each the number of its piece, or NOTHING.

        Args:
            first_step: step of the first.
            core: core of each.
            rip: its linear address.
            flag: IF as POPFQ or IRETQ loads it, 0 or 1; of others it is not looked at.
        """
        begins = int(np.count_nonzero(self.marks(rip) & (_ENTRY | _CALL)))
        lacking = self._count + begins - len(self._pieces)
        if lacking > 0:
            more = np.zeros((max(lacking, len(self._pieces)), _COLUMNS), dtype=np.int64)
            self._pieces = np.concatenate([self._pieces, more])
        piece = np.empty(len(rip), dtype=np.int64)
        self._count = _follow(
            (core, rip, flag, piece),
            first_step,
            self._code,
            self._places,
            (self._pieces, self._count),
            (self._states, self._stacks),
        )
        return piece

    def add(self, column: int, piece: Signed, amount: npt.NDArray[Any]) -> None:
        """Add amounts to a column of the pieces they belong to; NOTHING takes none."""
        is_any = piece >= 0
        sums = np.bincount(piece[is_any], weights=amount[is_any], minlength=self._count)
        self._pieces[: self._count, column] += sums.astype(np.int64)
