"""Checks of memory order on real guests: those that violate each, and those that do not."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from uniSMP import Image, Machine, RoundRobin, SeededRandom, assemble
from uniSMP.checks.assertions import Assertions
from uniSMP.checks.exclusion import Exclusion, parse_region
from uniSMP.checks.history import Check, History, Needs, Violation
from uniSMP.checks.invariants import Invariant, Invariants, pmm_invariant
from uniSMP.checks.pmm_layout import Reader
from uniSMP.checks.races import Atomic, Races
from uniSMP.machine.config import Boot
from uniSMP.machine.observation import observe
from uniSMP.schedule.policy import Schedule

sys.path.insert(0, str(Path(__file__).parents[1]))
from kernel_preamble import PREAMBLE

Program = Callable[[str], Image]
REGION = parse_region("pmm_enter..pmm_exit")
BOOT_FLAGS = ("cores_released", "0x12c010..0x12c018")
"""What cores poll while core 1 starts, by plain loads."""


def watch(
    image: Image, schedule: Schedule, check: Check, *, boot: Boot = "multiboot", cores: int = 2
) -> tuple[History, list[Violation]]:
    with Machine(cores=cores, boot=boot) as machine:
        machine.load(image)
        _, history = observe(machine, check.needs, schedule, max_instructions=2_000_000)
    return history, check.examine(history)


def places(image: Image, found: Sequence[Violation]) -> list[tuple[str, str]]:
    """Return the symbols of the two instructions of each race."""
    return [(_symbol(image, each.rips[0]), _symbol(image, each.rips[1])) for each in found]


def _symbol(image: Image, address: int) -> str:
    found = image.symbol_at(address)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("protocol", ["tas", "ticket", "swap_xchg"])
def test_two_cores_under_a_sound_protocol_exclude_each_other(
    program: Program, protocol: str
) -> None:
    _, found = watch(program(f"pair_{protocol}"), SeededRandom(1, 5), Exclusion(REGION))
    assert found == []


@pytest.mark.parametrize(
    ("protocol", "seed", "quantum"), [("cli_only", 1, 100), ("swap_naive", 10, 3)]
)
def test_two_cores_inside_at_once_are_found(
    program: Program, protocol: str, seed: int, quantum: int
) -> None:
    image = program(f"pair_{protocol}")
    _, found = watch(image, SeededRandom(seed, quantum), Exclusion(REGION))
    assert [each.key for each in found] == [("exclusion", "pmm_enter..pmm_exit")]
    assert found[0].rips[0] == image.symbols["pmm_enter"]


@pytest.mark.parametrize(
    ("protocol", "flags"),
    [
        ("ticket", ("ticket_serving",)),
        ("tas", ()),
        ("ttas", ()),
        ("swap_xchg", ()),
        ("delegate", ("0x12c200",)),  # core 1's mailbox
    ],
)
def test_sound_protocol_has_no_race_but_for_the_flags_it_polls(
    program: Program, protocol: str, flags: tuple[str, ...]
) -> None:
    check = Races((*BOOT_FLAGS, *flags), Atomic.LOCKED_WORDS)
    _, found = watch(program(f"pair_{protocol}"), SeededRandom(3, 20), check)
    assert found == []


def test_ticket_lock_races_on_the_word_that_is_polled_plainly(program: Program) -> None:
    image = program("pair_ticket")
    check = Races(BOOT_FLAGS, Atomic.LOCKED_WORDS)
    _, found = watch(image, SeededRandom(1, 20), check)
    assert ("protocol_take_wait", "protocol_give") in places(image, found)


def test_operation_without_a_lock_races_with_itself(program: Program) -> None:
    image = program("pair_cli_only")
    check = Races(BOOT_FLAGS, Atomic.LOCKED_WORDS)
    _, found = watch(image, SeededRandom(1, 20), check)
    # A write of one core with the read and the write of the other, for each of the two counters.
    assert places(image, found) == [("pair_interrupt", "pair_interrupt")] * 4
    path = "pair_interrupt < int_handle < interrupt prestubs+0x600"
    assert f"[{path} < main < boot_entry]" in found[0].summary
    assert f"[{path} < ap_main < TRAMPOLINE_BASE]" in found[0].summary


def test_start_up_orders_what_was_prepared_for_the_core_that_starts(program: Program) -> None:
    image = program("pair_tas")
    check = Races(BOOT_FLAGS, Atomic.LOCKED_WORDS)
    history, found = watch(image, SeededRandom(3, 20), check)
    starts = {"init", "start_up"}
    others = [event for event in history.events if event.kind not in starts]
    unordered = check.examine(replace(history, events=others))
    assert found == []
    trampoline = range(0x8000, 0x9000)  # where core 1 reads what core 0 put there for it
    assert any(rip in trampoline for each in unordered for rip in each.rips)


IPI = (
    PREAMBLE
    + """
_start:
    mov esi, APIC
    mov dword ptr [rsi + 0xF0], 0x1FF
    test edi, edi
    jnz other
    mov eax, 1
    lock xadd [0x2040], eax         # ready, together with core 1
ready:
    pause
    mov eax, 0
    lock xadd [0x2040], eax
    cmp eax, 2
    jne ready
before:
    mov dword ptr [0x2000], 7
    mov dword ptr [rsi + 0x310], 0x01000000
    mov dword ptr [rsi + 0x300], 0x40
behind:
    {behind}
idle:
    jmp idle
other:
    gate 0x40, handler
    lidt [rip + idt]
    mov eax, 1
    lock xadd [0x2040], eax
    sti
wait:
    {wait}
    hlt
    jmp wait
handler:
    mov ebx, [0x2000]
    call deeper
    mov dword ptr [rsi + 0xB0], 0
    finish
deeper:
    mov ebx, [0x2008]
deeper_end:
    ret
"""
)


@pytest.mark.parametrize(
    ("behind", "wait", "expected"),
    [
        ("nop", "nop", []),
        ("mov dword ptr [0x2008], 1", "nop", [("behind", "deeper")]),
        ("nop", "mov ecx, [0x2000]", [("before", "wait")]),  # not in the handler
    ],
)
def test_ipi_orders_what_came_before_it_before_its_handler(
    behind: str, wait: str, expected: list[tuple[str, str]]
) -> None:
    image = assemble(IPI.format(behind=behind, wait=wait))
    _, found = watch(image, RoundRobin(9), Races(), boot="long")
    assert [tuple(sorted(pair)) for pair in places(image, found)] == expected


def test_race_in_a_handler_tells_how_the_core_came_there() -> None:
    image = assemble(IPI.format(behind="mov dword ptr [0x2008], 1", wait="nop"))
    _, [found] = watch(image, RoundRobin(9), Races(), boot="long")
    assert "[deeper < interrupt handler < _start]" in found.summary
    assert "[_start]" in found.summary


PUBLISH = """
_start:
    test edi, edi
    jnz reader
    mov dword ptr [0x2000], 5       # data
    {store}
    cli
    hlt
reader:
    pause
    {load}
    test eax, eax
    jz reader
read:
    mov ebx, [0x2000]
    xor eax, eax
    out 0xF4, al
"""
PLAIN = ("mov dword ptr [0x2100], 1", "mov eax, [0x2100]")
EXCHANGED = ("mov eax, 1\nxchg [0x2100], eax", "xor eax, eax\nlock xadd [0x2100], eax")
MIXED = (EXCHANGED[0], PLAIN[1])
UNALIGNED = ("mov dword ptr [0x2102], 1", "mov eax, [0x2102]")


@pytest.mark.parametrize(
    ("access", "check", "count"),
    [
        (EXCHANGED, Races(), 0),
        (PLAIN, Races(), 2),  # the flag and what it should publish
        (MIXED, Races(), 2),
        (PLAIN, Races(["0x2100"]), 0),
        (PLAIN, Races(others=Atomic.ALIGNED), 0),
        (PLAIN, Races(others=Atomic.LOCKED_WORDS), 2),
        (MIXED, Races(others=Atomic.LOCKED_WORDS), 0),
        (UNALIGNED, Races(["0x2100..0x2108"]), 2),
    ],
)
def test_flag_publishes_only_if_it_is_locked_or_declared(
    access: tuple[str, str], check: Races, count: int
) -> None:
    image = assemble(PUBLISH.format(store=access[0], load=access[1]))
    _, found = watch(image, RoundRobin(5), check, boot="long")
    assert len(found) == count


def test_memory_manager_is_sound_between_operations_under_a_lock(program: Program) -> None:
    check = Invariants(pmm_invariant(REGION))
    history, found = watch(program("lock_ticket"), SeededRandom(1, 1000), check)
    assert found == []
    assert int((history.rip == history.symbols["pmm_exit"]).sum()) > 100


def test_memory_manager_without_a_lock_is_found_damaged(program: Program) -> None:
    image = program("lock_cli_only")
    _, [found] = watch(image, SeededRandom(1, 1000), Invariants(pmm_invariant(REGION)))
    assert found.key == ("invariants", "pmm")
    assert found.rips == (image.symbols["pmm_exit"],)


TWINS = """
_start:
    lea edx, [rdi * 8 + 0x2000]
    mov ecx, 3
again:
    inc dword ptr [rdx]
    {second}
twins:
    dec ecx
    jnz again
    cli
    hlt
"""


def twins(read: Reader, _symbols: object) -> list[str]:
    """Return a line for each core whose two words differ."""
    pairs = ((core, read(0x2000 + 8 * core, 4), read(0x2004 + 8 * core, 4)) for core in (0, 1))
    return [f"core {core}: {one[0]} and {two[0]}" for core, one, two in pairs if one != two]


def test_predicate_holds_at_its_symbol_where_cores_keep_it() -> None:
    image = assemble(TWINS.format(second="inc dword ptr [rdx + 4]"))
    check = Invariants(Invariant("twins", twins, "twins", at_end=True))
    _, found = watch(image, RoundRobin(100), check, boot="long")
    assert found == []


def test_predicate_that_fails_at_its_symbol_is_found() -> None:
    image = assemble(TWINS.format(second="nop"))
    check = Invariants(Invariant("twins", twins, "twins"))
    _, [found] = watch(image, RoundRobin(100), check, boot="long")
    assert (found.rips, found.core) == ((image.symbols["twins"],), 0)
    assert found.summary.endswith("core 0: 1 and 0")


@pytest.mark.parametrize(("name", "value"), [("fail", 3), ("pair_cli_only", 1)])
def test_failure_that_the_guest_reports_is_found(program: Program, name: str, value: int) -> None:
    _, [found] = watch(program(name), SeededRandom(1, 100), Assertions())
    assert found.key[1] == value


def test_guest_that_succeeds_asserts_nothing(program: Program) -> None:
    check = Assertions()
    assert check.needs is Needs.EVENTS
    _, found = watch(program("hello"), RoundRobin(1000), check, cores=1)
    assert found == []
