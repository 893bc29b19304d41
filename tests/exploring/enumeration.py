"""Plain enumeration: before every single instruction any core may go on, or take what is pending.

It knows nothing of conflicts, waiting or sleeping; it shares with the explorer only the machine and
the `Executor` that runs it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tiny_scenes import STACK_BYTES, STACK_TOP, WORD_BYTES, WORDS

from uniSMP.core import native_flags
from uniSMP.explore.analysis import Analyst
from uniSMP.explore.executor import Executor
from uniSMP.explore.schedule import NO_VECTOR, Slice
from uniSMP.explore.strategy import Move, do

_RSP = 4


class Step(NamedTuple):
    """One instruction of a core, or one delivery to it."""

    core: int
    takes: bool


class CoreState(NamedTuple):
    """What of a core can make a difference.

    Attributes:
        registers: general registers, RIP and RFLAGS.
        stack: bytes from the stack pointer on.
        requests: TPR, ISR and IRR of its local APIC.
        is_halted: whether it is.
        is_shadowed: whether STI holds interrupts off.
    """

    registers: tuple[int, ...]
    stack: bytes
    requests: tuple[int, int, int]
    is_halted: bool
    is_shadowed: bool


class State(NamedTuple):
    """A global state: the words that are shared, and the cores."""

    words: bytes
    cores: tuple[CoreState, ...]


class End(NamedTuple):
    """What is compared at the end of an execution.

    Registers of a core that is in a handler are left out: where it was interrupted says nothing.
    """

    words: bytes
    cores: tuple[tuple[tuple[int, ...], tuple[int, int, int], bool], ...]


class Ways(NamedTuple):
    """Where executions end.

    Attributes:
        ends: sets of states, each of which cannot be left once it is entered: one state where
            nothing can go on, or several that waiting cores come through again and again.
        states: number of states.
    """

    ends: frozenset[frozenset[End]]
    states: int


def state_of(executor: Executor) -> State:
    """Return how things stand."""
    ram = executor.machine.parts.ram.bytes
    cores = tuple(_core_state(executor, core) for core in range(len(executor.cores)))
    return State(ram[WORDS : WORDS + WORD_BYTES].tobytes(), cores)


def _core_state(executor: Executor, number: int) -> CoreState:
    core, apic = executor.cores[number], executor.machine.parts.board.local_apics[number].state
    context = core.engine.context
    flags = int(native_flags.read_flags(core.engine.state))
    registers = (*(context.register(index) for index in range(16)), context.rip, flags)
    top = STACK_TOP + number * STACK_BYTES
    stack = executor.machine.parts.ram.bytes[context.register(_RSP) : top].tobytes()
    requests = apic.tpr, apic.isr, apic.irr
    return CoreState(registers, stack, requests, core.is_halted, context.is_shadowed)


def end_of(state: State) -> End:
    """Return what of a state is compared."""
    cores = [
        (
            each.registers[16:17] if each.stack else each.registers,
            each.requests,
            each.is_halted,
        )
        for each in state.cores
    ]
    return End(state.words, tuple(cores))


def possible(executor: Executor) -> list[Step]:
    """Return every step that can be made."""
    cores = range(len(executor.cores))
    runs = [
        Step(core.core_id, takes=False)
        for core in executor.cores
        if core.can_run and core.engine.context.linear_rip not in executor.places
    ]
    return runs + [Step(core, takes=True) for core in cores if executor.can_take(core)]


def make(executor: Executor, step: Step) -> None:
    """Make a step."""
    do(executor, Move(step.core, step.takes, limit=1, holds=True))


def go_to(executor: Executor, slices: list[Slice]) -> None:
    """Go back to the scene, and make steps from there."""
    executor.rewind()
    for each in slices:
        if each.vector != NO_VECTOR:
            executor.take(each.core)
        if each.instructions:
            executor.run(each.core, each.instructions, holds=True)


def ways(executor: Executor, most: int = 100_000) -> Ways | None:
    """Return where all interleavings of a scene end; None: there are more states than `most`."""
    executor.rewind()
    first = state_of(executor)
    following: dict[State, list[State]] = {first: []}
    stack = [(first, [], possible(executor))]
    is_here = True
    while stack:
        state, slices, steps = stack[-1]
        if not steps:
            stack.pop()
            is_here = False
            continue
        if not is_here:
            go_to(executor, slices)
        make(executor, steps.pop())
        after = state_of(executor)
        following[state].append(after)
        is_here = after not in following
        if is_here:
            if len(following) >= most:
                return None
            following[after] = []
            stack.append((after, list(executor.slices), possible(executor)))
    return Ways(frozenset(_bottoms(following)), len(following))


def _bottoms(following: dict[State, list[State]]) -> Iterator[frozenset[End]]:
    """Yield the ends of the strongly connected components that nothing leads out of.

    Source: Tarjan, "Depth-first search and linear graph algorithms" (SIAM J. Comput. 1972).
    """
    numbers: dict[State, int] = {}
    lows: dict[State, int] = {}
    path: list[State] = []
    component: dict[State, int] = {}
    root = next(iter(following))
    work = [(root, iter(following[root]))]
    numbers[root] = lows[root] = 0
    path.append(root)
    while work:
        state, left = work[-1]
        after = next(left, None)
        if after is None:
            work.pop()
            if work:
                parent = work[-1][0]
                lows[parent] = min(lows[parent], lows[state])
            if lows[state] == numbers[state]:
                members = set()
                while state not in members:
                    member = path.pop()
                    component[member] = numbers[state]
                    members.add(member)
                if all(each in members for member in members for each in following[member]):
                    yield frozenset(end_of(member) for member in members)
        elif after not in numbers:
            numbers[after] = lows[after] = len(numbers)
            path.append(after)
            work.append((after, iter(following[after])))
        elif after not in component:
            lows[state] = min(lows[state], numbers[after])


def _taken_at(slices: list[Slice]) -> Iterator[tuple[int, int]]:
    """Yield (core, instructions it had retired) for each delivery, by core."""
    retired: dict[int, int] = {}
    places = []
    for each in slices:
        if each.vector != NO_VECTOR:
            places.append((each.core, retired.get(each.core, 0)))
        retired[each.core] = retired.get(each.core, 0) + each.instructions
    yield from sorted(places)


def traces(executor: Executor, most: int = 100_000) -> dict[int, set[End]] | None:
    """Return the traces of all interleavings with their ends; None: there are more steps.

    Only for scenes without loops. Equivalent beginnings are gone on from once.
    """
    analyst = Analyst(executor)
    executor.rewind()
    stack: list[tuple[list[Slice], list[Step]]] = [([], possible(executor))]
    seen: set[tuple[object, ...]] = set()
    found: dict[int, set[End]] = {}
    is_here = True
    while stack:
        slices, steps = stack[-1]
        if not steps:
            stack.pop()
            is_here = False
            continue
        if not is_here:
            go_to(executor, slices)
        make(executor, steps.pop())
        is_here = False
        trace = analyst.look().trace()
        state = state_of(executor)
        retired = tuple(core.retired for core in executor.cores)
        beginning = (trace, retired, state, tuple(_taken_at(executor.slices)))
        if beginning in seen:
            continue
        seen.add(beginning)
        if len(seen) > most:
            return None
        is_here = True
        stack.append((list(executor.slices), possible(executor)))
        if not stack[-1][1]:
            found.setdefault(trace, set()).add(end_of(state))
    return found
