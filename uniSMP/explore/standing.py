"""How the cores stand: where, whether they can go on, and which words they wait for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from uniSMP.checks.history import DELIVERY, PAGE_WALK, WRITE, History
from uniSMP.core import context as cx
from uniSMP.explore.executor import Executor
from uniSMP.explore.telling import MASK64, Teller

_MOST_WORDS = 6
_MOST_READS = 256
"""A round of a wait that reads more is looked at in part."""
_PAGE_SHIFT = 12
_COMPARE = ("cmp", "test", "bt", "lock ", "xchg")


@dataclass(frozen=True, slots=True)
class Word:
    """What a core waits for.

    Attributes:
        name: symbol+offset, or its linear address.
        physical: its address.
        size: bytes.
        value: that it has.
        is_shared: whether another core, or a handler, accessed it, too.
        is_compared: whether the instruction that reads it compares it, or is locked.
    """

    name: str
    physical: int
    size: int
    value: int
    is_shared: bool
    is_compared: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How a core stands.

    Attributes:
        core: its id.
        state: "spins", "is halted", "rests", "can go on", "waits for SIPI" or "is shut down".
        rip: linear address of its next instruction.
        place: the same as symbol+offset.
        source: file:line, or empty.
        text: that instruction.
        interrupts_enabled: IF.
        is_halted: whether it executes nothing.
        pending: vector of the interrupt that is next, whether it can be accepted or not; or None.
        waits: where it spins, words that it reads again and again: those in which cores meet, and
            those that it compares or tries to change; only where there are none, all of them.
            Its stack is left out.
    """

    core: int
    state: str
    rip: int
    place: str
    source: str
    text: str
    interrupts_enabled: bool
    is_halted: bool
    pending: int | None
    waits: tuple[Word, ...]


def stand(
    executor: Executor, core_id: int, history: History, teller: Teller, shared: frozenset[int]
) -> Standing:
    """Return how a core stands now.

    Args:
        executor: has run an execution.
        core_id: the core.
        history: of that execution.
        teller: of the same.
        shared: words in which agents met, see `telling.shared_words`.
    """
    core = executor.cores[core_id]
    rip = core.engine.context.linear_rip & MASK64
    words = list(_words(executor, core_id, history, teller, shared))
    telling = [word for word in words if word.is_shared or word.is_compared] or words
    return Standing(
        core=core_id,
        state=_state(executor, core_id),
        rip=rip,
        place=teller.name(rip),
        source=teller.source(rip),
        text=teller.text(core_id, rip),
        interrupts_enabled=core.has_interrupts_enabled,
        is_halted=not core.can_run,
        pending=executor.machine.devices.local_apics[core_id].pending_vector(),
        waits=tuple(sorted(telling, key=lambda word: not word.is_shared)[:_MOST_WORDS]),
    )


def _state(executor: Executor, core_id: int) -> str:
    core = executor.cores[core_id]
    if core.is_shut_down:
        return "is shut down"
    if core.waits_for_start:
        return "waits for SIPI"
    if executor.rests[core_id]:
        return "rests"
    if executor.can_run(core_id) or executor.can_take(core_id):
        return "can go on"
    return "spins" if executor.waits[core_id] is not None else "is halted"


def _words(
    executor: Executor, core_id: int, history: History, teller: Teller, shared: frozenset[int]
) -> Iterator[Word]:
    """Yield what a waiting core read in its last round, in order."""
    waiting, rows = executor.waits[core_id], history.accesses
    if waiting is None or rows is None:
        return
    is_read = (rows.core == core_id) & (rows.kind & (WRITE | DELIVERY | PAGE_WALK) == 0)
    is_read &= np.isin(rows.physical, waiting.reads)
    context = executor.cores[core_id].engine.context
    stack = executor.machine.core(core_id).translate(context.register(cx.RSP)) or 0
    seen: set[tuple[int, int]] = set()
    found = []
    for row in reversed(np.nonzero(is_read)[0][-_MOST_READS:].tolist()):
        place = int(rows.rip[row]), int(rows.physical[row])
        if place in seen:
            break
        seen.add(place)
        if place[1] >> _PAGE_SHIFT != stack >> _PAGE_SHIFT:
            found.append(row)
    named: set[int] = set()
    for row in reversed(found):
        physical, size = int(rows.physical[row]), int(rows.size[row])
        if physical not in named:
            named.add(physical)
            linear = int(rows.linear[row]) if rows.has_linear[row] else physical
            yield Word(
                name=teller.name(linear & MASK64),
                physical=physical,
                size=size,
                value=executor.machine.memory.read_integer(physical, size),
                is_shared=physical >> 3 in shared,
                is_compared=teller.text(core_id, int(rows.rip[row]) & MASK64).startswith(_COMPARE),
            )
