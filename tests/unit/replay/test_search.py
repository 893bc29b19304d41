"""Searches forward and backward, on guests whose every step is known."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from guests import BUSY, COUNT_TO_100, PREAMBLE, TWO_CORES, address, record

from uniSMP import (
    Accessed,
    AccessedPhysical,
    AtAddress,
    Delivered,
    Hit,
    Predicate,
    Replayer,
    RoundRobin,
    SeededRandom,
    assemble,
)
from uniSMP.replay.conditions import Condition
from uniSMP.replay.history import START, Position
from uniSMP.replay.timeline import Timeline

EVENTS = """
_start:
    gate 2, on_nmi
    gate 6, on_undefined
    gate 13, on_protection
    gate 0x80, on_call
    gate 0x81, on_interrupt
    lidt [rip + idt]
    mov esi, APIC
    mov dword ptr [rsi + 0xF0], 0x1FF
fault:
    ud2
load:
    mov eax, [0x2000]
call:
    int 0x80
behind:
    mov dword ptr [rsi + 0x310], 0
    sti
    nop
send:
    mov dword ptr [rsi + 0x300], 0x4081
interrupted:
    nop
send_nmi:
    mov dword ptr [rsi + 0x300], 0x4400
stopped:
    mov edi, 0x4000
    mov ecx, 5
strings:
    rep stosb
twice:
    lock add qword ptr [0x2020], 1
done:
    finish
on_nmi:
    inc dword ptr [0x2018]
    iretq
on_undefined:
    add qword ptr [rsp], 2
    iretq
on_protection:
    hlt
on_call:
    inc dword ptr [0x2008]
    iretq
on_interrupt:
    inc dword ptr [0x2010]
    mov dword ptr [rsi + 0xB0], 0
    iretq
"""
NAMES = {value: name for name, value in assemble(PREAMBLE + EVENTS).symbols.items()}
STACK = 0x1F_9000
FAULT = 33
"""Step at `fault`: 5 gates of 6 instructions, and three more."""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of one core that takes every kind of event."""
    path = tmp_path_factory.mktemp("recording") / "events.rec"
    record(path, EVENTS, schedule=RoundRobin(50))
    return path


@pytest.fixture
def line(events: Path) -> Iterator[Replayer]:
    """Return that recording at its start."""
    with Replayer(events) as replayer:
        yield replayer


def all_forward(line: Timeline, until: Sequence[Condition]) -> list[tuple[Hit, Position]]:
    """Return every hit from here on, with where the machine stood at it."""
    hits = []
    while (hit := line.forward(until)) is not None:
        hits.append((hit, line.position))
    return hits


def all_backward(line: Timeline, until: Sequence[Condition]) -> list[tuple[Hit, Position]]:
    """Return every hit from here back, with where the machine stood at it."""
    hits = []
    while (hit := line.backward(until)) is not None:
        hits.append((hit, line.position))
    return hits


def steps_of(hits: list[tuple[Hit, Position]]) -> list[int]:
    return [hit.step for hit, _position in hits]


@pytest.mark.parametrize(
    ("name", "step", "faults"),
    [
        ("fault", FAULT, 0),
        ("on_undefined", FAULT, 1),
        ("load", FAULT + 2, 0),
        ("call", FAULT + 3, 0),
        ("on_call", FAULT + 4, 0),
        ("behind", FAULT + 6, 0),
        ("send", FAULT + 9, 0),
        ("on_interrupt", FAULT + 10, 0),
        ("interrupted", FAULT + 13, 0),
        ("send_nmi", FAULT + 14, 0),
        ("on_nmi", FAULT + 15, 0),
        ("stopped", FAULT + 17, 0),
        ("done", FAULT + 26, 0),
    ],
)
def test_address_is_found_once_from_both_sides(
    line: Replayer, name: str, step: int, faults: int
) -> None:
    condition = AtAddress(address(EVENTS, name))
    ((hit, position),) = all_forward(line, [condition])
    assert (hit.condition, hit.core_id, hit.step, NAMES[hit.rip]) == (condition, 0, step, name)
    assert (line.step, position.faults) == (line.history.steps, faults)
    assert all_backward(line, [condition]) == [(hit, position)]
    line.goto_position(position)
    assert NAMES[line.machine.core(0).linear_rip] == name
    assert line.step == step


@pytest.mark.parametrize(
    ("vector", "step", "rip", "handler"),
    [
        (6, FAULT, "fault", "on_undefined"),
        (0x80, FAULT + 4, "call", "on_call"),
        (0x81, FAULT + 10, "interrupted", "on_interrupt"),
        (2, FAULT + 15, "stopped", "on_nmi"),
    ],
)
def test_delivery_is_found_once_from_both_sides(
    line: Replayer, vector: int, step: int, rip: str, handler: str
) -> None:
    condition = Delivered(vector)
    ((hit, position),) = all_forward(line, [condition])
    assert (hit.condition, hit.step, NAMES[hit.rip]) == (condition, step, rip)
    assert all_backward(line, [condition]) == [(hit, position)]
    line.goto_position(position)
    assert NAMES[line.machine.core(0).linear_rip] == handler
    assert line.step == step


@pytest.mark.parametrize("vector", [13, 14, 0x82])
def test_delivery_that_never_was_is_not_found(line: Replayer, vector: int) -> None:
    assert line.forward([Delivered(vector)]) is None
    assert line.position == line.history.end
    assert line.backward([Delivered(vector)]) is None
    assert line.position == START


@pytest.mark.parametrize(
    ("kinds", "start", "size", "steps"),
    [
        ("r", 0x2000, 4, [FAULT + 2]),
        ("w", 0x2000, 4, []),
        ("w", 0x2008, 4, [FAULT + 4]),
        ("r", 0x200B, 1, [FAULT + 4]),
        ("rw", 0x200C, 4, []),
        ("w", 0x2010, 1, [FAULT + 10]),
        ("w", 0x2018, 1, [FAULT + 15]),
        ("w", 0x4000, 5, [FAULT + 19, FAULT + 20, FAULT + 21, FAULT + 22, FAULT + 23]),
        ("w", 0x4004, 100, [FAULT + 23]),
        ("w", 0x3FFF, 1, []),
        ("w", 0x2020, 8, [FAULT + 25]),
        ("r", 0x2027, 1, [FAULT + 25]),
    ],
)
@pytest.mark.parametrize("kind", [Accessed, AccessedPhysical])
def test_access_is_found_from_both_sides(
    line: Replayer, kind: type[Accessed], kinds: str, start: int, size: int, steps: list[int]
) -> None:
    """Forward the machine stands behind the instruction, backward before it."""
    condition = kind(start, size, kinds)
    forward = all_forward(line, [condition])
    backward = all_backward(line, [condition])
    assert steps_of(forward) == steps
    assert steps_of(backward) == steps[::-1]
    assert [hit for hit, _position in forward] == [hit for hit, _position in backward[::-1]]
    assert [line.history.step_of(position) for _hit, position in forward] == [
        step + 1 for step in steps
    ]
    assert [line.history.step_of(position) for _hit, position in backward] == steps[::-1]


@pytest.mark.parametrize(
    ("kinds", "steps"),
    [
        ("w", [FAULT, FAULT + 4, FAULT + 10, FAULT + 15]),
        ("r", [FAULT + 1, FAULT + 5, FAULT + 12, FAULT + 16]),
    ],
)
def test_stack_of_handlers_is_written_by_deliveries_and_read_by_iret(
    line: Replayer, kinds: str, steps: list[int]
) -> None:
    condition = Accessed(STACK - 8, 8, kinds)
    forward, backward = all_forward(line, [condition]), all_backward(line, [condition])
    assert steps_of(forward) == steps
    assert steps_of(backward) == steps[::-1]


def test_machine_stands_behind_and_before_a_delivery_that_wrote(line: Replayer) -> None:
    condition = Accessed(STACK - 8, 8, "w")
    core, memory, seen = line.machine.core(0), line.machine.memory, []
    while line.forward([condition]) is not None:
        seen.append((NAMES[core.linear_rip], memory.read_integer(STACK - 8, 8)))
    assert seen == [
        ("on_undefined", 0x10),
        ("on_call", 0x10),
        ("on_interrupt", 0x10),
        ("on_nmi", 0x10),
    ]
    before = []
    while line.backward([condition]) is not None:
        before.append((NAMES[core.linear_rip], memory.read_integer(STACK - 8, 8)))
    assert [name for name, _value in before] == ["stopped", "interrupted", "call", "fault"]
    assert before[-1][1] == 0


INTERRUPTED_AT_A_SLICE = """
_start:
    mov esi, APIC
    mov dword ptr [rsi + 0xF0], 0x1FF
    test edi, edi
    jnz other
    gate 0x81, on_interrupt
    lidt [rip + idt]
    sti
spin:
    inc ebx
    jmp spin
other:
    mov dword ptr [rsi + 0x310], 0
    mov dword ptr [rsi + 0x300], 0x0081
wait:
    inc ebx
    jmp wait
on_interrupt:
    inc dword ptr [0x2010]
    mov dword ptr [rsi + 0xB0], 0
    iretq
"""


def test_delivery_at_the_start_of_a_slice_is_found_from_both_sides(path: Path) -> None:
    """The core stood still while another one ran before."""
    record(path, INTERRUPTED_AT_A_SLICE, 2, RoundRobin(20), [80])
    handler = address(INTERRUPTED_AT_A_SLICE, "on_interrupt")
    with Replayer(path) as line:
        stack = line.machine.core(0).registers["rsp"] - 8
        for condition in (Delivered(0x81, 0), AtAddress(handler), Accessed(stack, 8)):
            line.goto(0)
            ((hit, position),) = all_forward(line, [condition])
            assert (hit.step, hit.core_id) == (40, 0)
            ((back, before),) = all_backward(line, [condition])
            assert back == hit
            assert (position.instructions, position.faults) == (0, 0)
            line.goto_position(position)
            assert line.machine.core(0).linear_rip == handler
            line.goto_position(before)
            assert line.step == 40


CHAIN = """
_start:
    gate 6, first
    gate 13, second
    gate 14, third
    lidt [rip + idt]
    mov rbx, -1
    mov rdx, 0x8000000000
fault:
    ud2
first:
    mov cr8, rbx
second:
    mov eax, [rdx]
third:
    finish
"""
"""#UD, whose handler's first instruction raises #GP, whose handler's raises #PF, at one step."""


def test_faults_of_one_step_are_met_in_their_order(path: Path) -> None:
    record(path, CHAIN)
    names = {value: name for name, value in assemble(PREAMBLE + CHAIN).symbols.items()}
    until = [
        *(AtAddress(address(CHAIN, name)) for name in ("third", "second", "first", "fault")),
        *(Delivered(vector) for vector in (14, 13, 6)),
    ]
    with Replayer(path) as line:
        forward = [(position.faults, names[line_rip]) for line_rip, position in stands(line, until)]
        assert forward == [(0, "fault"), (1, "first"), (2, "second"), (3, "third")]
        for vector, faults in ((6, 1), (13, 2), (14, 3)):
            line.goto(0)
            assert [
                position.faults for _hit, position in all_forward(line, [Delivered(vector)])
            ] == [faults]
        backward = [position.faults for _hit, position in all_backward(line, until)]
    assert backward == [3, 2, 1, 0]


def stands(line: Replayer, until: Sequence[Condition]) -> list[tuple[int, Position]]:
    """Return where core 0 stands at each hit, forward."""
    found = []
    while line.forward(until) is not None:
        found.append((line.machine.core(0).linear_rip, line.position))
    return found


# -- the start, the end, windows -----------------------------------------------------------------


def test_first_instruction_is_found_backward_only(path: Path) -> None:
    """Forward, the machine stands at it."""
    record(path, COUNT_TO_100)
    condition = AtAddress(address(COUNT_TO_100, "_start"))
    with Replayer(path) as line:
        assert line.forward([condition]) is None
        hit = line.backward([condition])
        assert hit is not None
        assert (hit.step, line.step) == (0, 0)
        assert line.backward([condition]) is None
        assert line.position == START


def test_last_instruction_is_found_and_what_is_behind_it_is_not(path: Path) -> None:
    record(path, COUNT_TO_100.replace("100", "3"), limits=[10])
    last, following = (address(COUNT_TO_100, "again") + offset for offset in (9, 11))
    with Replayer(path) as line:
        assert steps_of(all_forward(line, [AtAddress(last)])) == [3, 6, 9]
        assert line.machine.core(0).linear_rip == following
        line.goto(0)
        assert line.forward([AtAddress(following)]) is None
        assert line.backward([AtAddress(following)]) is None


def test_access_of_the_last_instruction_is_found_at_the_end(path: Path) -> None:
    record(path, COUNT_TO_100, limits=[59])
    with Replayer(path) as line:
        forward = all_forward(line, [Accessed(0x2000, 4)])
        assert steps_of(forward) == list(range(1, 60, 3))
        assert forward[-1][1] == line.history.first_at(59) == line.history.end
        backward = all_backward(line, [Accessed(0x2000, 4)])
    assert steps_of(backward) == list(range(58, 0, -3))


@pytest.mark.parametrize("window", [1, 3, 1000])
@pytest.mark.parametrize("quantum", [1, 10])
def test_windows_of_any_length_find_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch, window: int, quantum: int
) -> None:
    monkeypatch.setattr("uniSMP.replay.search._FIRST_WINDOW", window)
    monkeypatch.setattr("uniSMP.replay.search._LONGEST_WINDOW", 2 * window)
    record(path, EVENTS, schedule=RoundRobin(quantum))
    vectors = [Delivered(vector) for vector in (2, 6, 0x80, 0x81)]
    with Replayer(path) as line:
        assert steps_of(all_forward(line, vectors)) == [33, 37, 43, 48]
        assert steps_of(all_backward(line, vectors)) == [48, 43, 37, 33]
        stores = [Accessed(0x2000, 0x2005)]
        assert steps_of(all_forward(line, stores)) == [*GATES, 37, 43, 48, 52, 53, 54, 55, 56, 58]
        assert steps_of(all_backward(line, stores)) == [
            58,
            56,
            55,
            54,
            53,
            52,
            48,
            43,
            37,
            *GATES[::-1],
        ]


GATES = [6 * gate + store for gate in range(5) for store in (1, 2, 3, 5)]
"""Steps at which the gates are written."""


def test_conditions_of_several_kinds_are_met_in_the_order_of_the_run(path: Path) -> None:
    record(path, COUNT_TO_100, limits=[40])
    again = address(COUNT_TO_100, "again")
    until = [
        Predicate(lambda machine: machine.memory.read_integer(0x2000, 4) == 5),
        AtAddress(again + 9),
        Accessed(0x2000, 4),
        Delivered(3),
    ]
    with Replayer(path) as line:
        forward = all_forward(line, until)
        backward = all_backward(line, until)
    kinds = [(hit.step, type(hit.condition).__name__) for hit, _position in forward]
    assert kinds[:6] == [
        (1, "Accessed"),
        (3, "AtAddress"),
        (4, "Accessed"),
        (6, "AtAddress"),
        (7, "Accessed"),
        (9, "AtAddress"),
    ]
    assert kinds[8:13] == [
        (14, "Predicate"),
        (15, "Predicate"),
        (16, "Predicate"),
        (16, "Accessed"),
        (18, "AtAddress"),
    ]
    positions = [position for _hit, position in forward]
    assert positions == sorted(set(positions))
    behind = [position for _hit, position in backward]
    assert behind == sorted(set(behind), reverse=True)
    assert [hit.step for hit, _position in backward][-4:] == [6, 4, 3, 1]


# -- predicates ------------------------------------------------------------------------------------


def test_predicate_that_is_always_true_is_met_at_every_instruction(path: Path) -> None:
    record(path, TWO_CORES, 2, RoundRobin(3), [12])
    until = [Predicate(lambda _machine: True)]
    with Replayer(path) as line:
        assert steps_of(all_forward(line, until)) == list(range(1, 12))
        assert line.position == line.history.end
        assert steps_of(all_backward(line, until)) == list(range(11, -1, -1))


def test_predicate_that_is_true_at_the_start_is_met_when_it_is_true_again(path: Path) -> None:
    record(path, COUNT_TO_100, limits=[190])
    until = [Predicate(lambda machine: machine.core(0).registers["rcx"] % 40 == 0)]
    with Replayer(path) as line:
        assert line.machine.core(0).registers["rcx"] == 0
        steps = steps_of(all_forward(line, until))
    assert steps == [60, 61, 62, 180, 181, 182]


def test_predicate_that_is_never_true_leads_to_the_ends(path: Path) -> None:
    record(path, COUNT_TO_100)
    until = [Predicate(lambda _machine: False)]
    with Replayer(path) as line:
        assert line.forward(until) is None
        assert line.position == line.history.end
        assert line.backward(until) is None
        assert line.position == START


# -- cores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("core_id", "steps"), [(0, [3, 12, 22]), (1, [7, 17, 27])])
def test_condition_of_one_core_is_met_by_that_core_only(
    path: Path, core_id: int, steps: list[int]
) -> None:
    """Slices end in PAUSE: 4 steps at first, then 5."""
    record(path, TWO_CORES, 2, RoundRobin(10), [30])
    pauses = AtAddress(address(TWO_CORES, "again") + 16, core_id)
    own = Accessed(0x2010, 16, "w", core_id)
    with Replayer(path) as line:
        addresses = all_forward(line, [pauses])
        line.goto(0)
        stores = all_forward(line, [own])
    assert {hit.core_id for hit, _position in addresses + stores} == {core_id}
    assert steps_of(addresses) == steps
    assert steps_of(stores) == [step - 1 for step in steps]


def test_stores_of_both_cores_to_one_place_are_found_in_order(path: Path) -> None:
    record(path, TWO_CORES, 2, SeededRandom(3, 25), [100])
    condition = AccessedPhysical(0x2000, 4)
    with Replayer(path) as line:
        values = []
        while line.forward([condition]) is not None:
            values.append(line.machine.memory.read_integer(0x2000, 4))
        before = []
        while line.backward([condition]) is not None:
            before.append(line.machine.memory.read_integer(0x2000, 4))
    assert values == list(range(1, 21))
    assert before == list(range(19, -1, -1))


@pytest.mark.parametrize("vector", [2, 6, 0x40, 0x41])
def test_every_delivery_of_a_busy_machine_is_found_from_both_sides(path: Path, vector: int) -> None:
    result = record(path, BUSY, 3, SeededRandom(8, 40), [3000])[0]
    taken = sum(
        core.interrupts.get(vector, 0) + core.exceptions.get(vector, 0) for core in result.cores
    )
    with Replayer(path) as line:
        forward = all_forward(line, [Delivered(vector)])
        backward = all_backward(line, [Delivered(vector)])
    assert len(forward) == taken > 0
    assert backward == forward[::-1]


def test_search_ends_where_it_is_interrupted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uniSMP.replay.search._FIRST_WINDOW", 50)
    record(path, COUNT_TO_100)
    never = [AtAddress(0)]
    with Replayer(path) as line:
        assert line.forward(never, is_interrupted=lambda: True) is None
        assert line.step == 50
        line.goto(300)
        assert line.backward(never, is_interrupted=lambda: True) is None
        assert line.step == 250


def test_search_ends_at_a_limit(path: Path) -> None:
    record(path, COUNT_TO_100)
    with Replayer(path) as line:
        limit = line.history.first_at(100)
        assert line.forward([AtAddress(0)], limit=limit) is None
        assert line.position == limit
        assert line.forward([Accessed(0x2000, 4)], limit=limit) is None
        hit = line.forward([Accessed(0x2000, 4)], limit=line.history.first_at(102))
        assert hit is not None
        assert (hit.step, line.step) == (100, 101)


def test_nothing_is_traced_behind_a_search(path: Path) -> None:
    digest = record(path, COUNT_TO_100)[0].digest
    with Replayer(path) as line:
        line.forward([Accessed(0x2000, 4)])
        assert not line._exact.is_traced
        line.forward()
        assert line.machine.digest() == digest


def test_reverse_continue_takes_one_condition_or_several(path: Path) -> None:
    record(path, COUNT_TO_100)
    with Replayer(path) as line:
        line.goto(303)
        one = line.reverse_continue(Accessed(0x2000, 4))
        line.goto(303)
        several = line.reverse_continue([AtAddress(0), Accessed(0x2000, 4)])
    assert one == several
    assert one is not None
    assert one.step == 298
