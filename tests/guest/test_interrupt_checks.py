"""Kernels that lose interrupts, nest them, keep them out and acknowledge them wrongly."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from uniSMP import Image, Machine, SeededRandom
from uniSMP.checks.end_of_interrupt import EndOfInterrupt
from uniSMP.checks.history import History, Needs
from uniSMP.checks.interrupt_nesting import InterruptNesting
from uniSMP.checks.interrupts_off import InterruptsOff
from uniSMP.checks.lock_discipline import LockDiscipline
from uniSMP.checks.lost_interrupts import LostInterrupts
from uniSMP.machine.observation import observe

sys.path.insert(0, str(Path(__file__).parents[1]))
from observing import judge, summaries

START = """
.macro send target, vector
    mov dword ptr [rsi + 0x310], \\target << 24
    mov dword ptr [rsi + 0x300], \\vector
.endm
.macro eoi
    mov dword ptr [rsi + 0xB0], 0
.endm
.macro spin count
    mov ecx, \\count
    dec ecx
    jnz . - 2
.endm
_start:
    mov esi, 0xFEE00000
    gate 0x40, handler
    gate 0x51, other_handler
    lidt [rip + idt]
"""
ENABLE = START + "mov dword ptr [rsi + 0xF0], 0x1FF\n"
HANDLERS = """
handler:
    eoi
    iretq
other_handler:
    eoi
    iretq
"""

# -- lost ------------------------------------------------------------------------------------------


def lost(source: str, cores: int = 1) -> list[str]:
    return summaries(judge(source, LostInterrupts(100, 100), cores=cores))


def test_interrupt_that_is_delivered_is_not_lost() -> None:
    assert lost(ENABLE + "sti\nsend 0, 0x40\nnop\nspin 300\nfinish\n" + HANDLERS) == []


def test_interrupt_that_a_disabled_apic_ignores_was_dropped() -> None:
    disable = "mov dword ptr [rsi + 0xF0], 0xFF\n"
    found = lost(START + disable + "sti\nsent:\nsend 0, 0x40\nfinish\n" + HANDLERS)
    assert found == [
        "vector 0x40, sent by core 0 at sent+0xa (0x10008b), was dropped: core 0 did not accept it"
    ]


def test_interrupt_that_its_core_never_lets_in_is_pending_at_the_end() -> None:
    found = lost(ENABLE + "send 0, 0x40\nspin 300\nfinish\n" + HANDLERS)
    assert found == [
        "vector 0x40 of core 0 was accepted by core 0, but is still pending at the end of the run"
    ]


def test_interrupt_sent_just_before_the_guest_ends_the_run_is_not_lost() -> None:
    assert lost(ENABLE + "send 0, 0x40\nspin 20\nfinish\n" + HANDLERS) == []


def test_interrupt_pending_where_all_cores_halt_for_ever_is_lost() -> None:
    found = lost(ENABLE + "send 0, 0x40\ncli\nhlt\n" + HANDLERS)
    assert len(found) == 1


def test_interrupt_that_a_priority_keeps_out_is_pending_not_held_back() -> None:
    source = ENABLE + "mov dword ptr [rsi + 0x80], 0x50\nsti\nsend 0, 0x40\nspin 300\nfinish\n"
    found = lost(source + HANDLERS)
    assert len(found) == 1
    assert found[0].endswith("is still pending at the end of the run")


# -- nesting ---------------------------------------------------------------------------------------

NESTED = ENABLE + "sti\nsend 0, 0x40\nnop\nfinish\nhandler:\nint 0x51\neoi\niretq\n"
INNER = "other_handler:\niretq\n"


def test_handler_in_a_handler_is_too_deep_for_one_level() -> None:
    found = judge(NESTED + INNER, InterruptNesting(1))
    assert summaries(found) == [
        (
            "core 0 is in 2 handlers at once, 1 are allowed: interrupt 0x40, int 0x51; the last "
            "entered at handler (0x10009a)"
        )
    ]
    assert found[0].key == ("interrupt-nesting", 0x40, 0x51)


def test_handler_in_a_handler_is_allowed_with_two_levels() -> None:
    assert judge(NESTED + INNER, InterruptNesting(2)) == []


def test_handlers_one_after_the_other_are_not_nested() -> None:
    source = ENABLE + "sti\nsend 0, 0x40\nnop\nint 0x51\nsend 0, 0x40\nnop\nfinish\n"
    assert judge(source + "handler:\neoi\niretq\n" + INNER, InterruptNesting(1)) == []


# -- interrupts off --------------------------------------------------------------------------------


def off(source: str) -> list[str]:
    return summaries(judge(source, InterruptsOff(200)))


def test_long_stretch_with_interrupts_off_is_reported_from_its_beginning() -> None:
    found = off(ENABLE + "sti\nnop\ncli\nbusy:\nspin 150\nsti\nnop\nfinish\n" + HANDLERS)
    assert found == [
        (
            "core 0 executes 302 instructions with IF = 0, 200 are allowed: from busy (0x100083) "
            "at step 18 on"
        )
    ]


def test_short_stretches_with_interrupts_off_are_fine() -> None:
    stretches = "cli\nspin 70\nsti\nnop\n" * 4
    assert off(ENABLE + "sti\nnop\n" + stretches + "finish\n" + HANDLERS) == []


def test_long_handler_is_reported() -> None:
    source = ENABLE + "sti\nsend 0, 0x40\nnop\nfinish\nhandler:\nspin 150\neoi\niretq\n"
    found = off(source + INNER)
    assert len(found) == 1
    assert "from handler (" in found[0]


def test_handlers_that_follow_each_other_at_once_are_stretches_of_their_own() -> None:
    source = ENABLE + "cli\nsend 0, 0x40\nsend 0, 0x51\nsti\nnop\nnop\nfinish\n"
    both = "handler:\nspin 70\neoi\niretq\nother_handler:\nspin 70\neoi\niretq\n"
    assert off(source + both) == []


# -- EOI -------------------------------------------------------------------------------------------


def ended(source: str) -> list[str]:
    return summaries(judge(source, EndOfInterrupt(300)))


def test_handler_that_returns_without_eoi_leaves_its_vector_in_service() -> None:
    found = ended(ENABLE + "sti\nsend 0, 0x40\nnop\nfinish\nhandler:\niretq\n" + INNER)
    assert found == [
        (
            "the handler of vector 0x40 at handler (0x10009a) returns on core 0 without EOI: the "
            "vector stays in service"
        )
    ]


def test_handler_that_goes_on_for_too_long_without_eoi_is_reported() -> None:
    source = ENABLE + "sti\nsend 0, 0x40\nnop\nfinish\nhandler:\nspin 200\neoi\niretq\n"
    found = ended(source + INNER)
    assert len(found) == 1
    assert "executes 300 instructions on core 0 without EOI" in found[0]


@pytest.mark.parametrize("body", ["eoi\niretq", "eoi\nspin 200\niretq", "spin 100\neoi\niretq"])
def test_handler_with_one_eoi_is_right(body: str) -> None:
    source = ENABLE + f"sti\nsend 0, 0x40\nnop\nfinish\nhandler:\n{body}\n"
    assert ended(source + INNER) == []


def test_second_eoi_finds_nothing_in_service() -> None:
    source = ENABLE + "sti\nsend 0, 0x40\nnop\nfinish\nhandler:\neoi\nsecond:\neoi\niretq\n"
    found = ended(source + INNER)
    assert found == ["core 0 writes EOI with nothing in service, at second (0x1000a4)"]


def test_second_eoi_in_an_inner_handler_ends_the_outer_one() -> None:
    source = ENABLE + "sti\nsend 0, 0x40\nnop\nfinish\nhandler:\nsti\nsend 0, 0x51\nnop\niretq\n"
    found = ended(source + "other_handler:\neoi\nsecond:\neoi\niretq\n")
    assert len(found) == 1
    assert found[0].startswith("core 0 writes EOI twice in the handler of vector 0x51, at second")


def test_handler_of_the_spurious_vector_needs_no_eoi() -> None:
    source = START + "mov dword ptr [rsi + 0xF0], 0x140\nsti\nsend 0, 0x40\nnop\nfinish\n"
    assert ended(source + "handler:\niretq\n" + INNER) == []


# -- locks -----------------------------------------------------------------------------------------

TAKE = """
    mov eax, 1
    xchg [lock], eax
    test eax, eax
    jnz . - 16
"""
GIVE = "mov dword ptr [lock], 0\n"
IN_HANDLER = f"handler:\n{TAKE}{GIVE}eoi\niretq\n{INNER}.balign 8\nlock: .quad 0\n"


def locks(source: str, *given: str) -> list[str]:
    return summaries(judge(source, LockDiscipline(given), most=2000))


@pytest.mark.parametrize("given", [(), ("lock",)])
def test_lock_of_a_handler_that_is_held_elsewhere_with_interrupts_on_is_reported(
    given: tuple[str, ...],
) -> None:
    source = ENABLE + f"sti\n{TAKE}{GIVE}send 0, 0x40\nnop\nfinish\n" + IN_HANDLER
    found = locks(source, *given)
    assert len(found) == 1
    assert found[0].startswith("the lock at lock (0x")
    assert "is taken in an interrupt handler (core 0, handler+0x5 (" in found[0]


def test_lock_whose_handler_waits_for_its_own_core_is_reported() -> None:
    source = ENABLE + f"sti\n{TAKE}send 0, 0x40\nnop\n{GIVE}finish\n" + IN_HANDLER
    assert len(locks(source)) == 1


def test_lock_that_is_held_with_interrupts_on_after_it_was_taken_is_reported() -> None:
    source = ENABLE + f"cli\n{TAKE}sti\nnop\ncli\n{GIVE}sti\nsend 0, 0x40\nnop\nfinish\n"
    assert len(locks(source + IN_HANDLER)) == 1


def test_lock_that_is_held_with_interrupts_off_everywhere_is_fine() -> None:
    source = ENABLE + f"cli\n{TAKE}{GIVE}sti\nsend 0, 0x40\nnop\nfinish\n" + IN_HANDLER
    assert locks(source) == []


def test_lock_that_only_a_handler_of_int_takes_is_fine() -> None:
    source = ENABLE + f"sti\n{TAKE}{GIVE}int 0x40\nfinish\n" + IN_HANDLER
    assert locks(source) == []


def test_counter_is_no_lock() -> None:
    source = ENABLE + "sti\nlock inc dword ptr [lock]\nsend 0, 0x40\nnop\nfinish\n"
    counted = "handler:\nlock inc dword ptr [lock]\neoi\niretq\n.balign 8\nlock: .quad 0\n"
    assert locks(source + counted + INNER) == []


# -- programs of the library -----------------------------------------------------------------------


def observed(image: Image, needs: Needs, seed: int, most: int) -> History:
    with Machine(cores=2) as machine:
        machine.load(image)
        _, history = observe(machine, needs, SeededRandom(seed, 50), max_instructions=most)
    return history


@pytest.mark.parametrize(
    "protocol", ["tas", "ttas", "ticket", "mcs", "delegate", "freeze_ordered", "swap_xchg"]
)
def test_protocol_whose_locks_are_held_with_interrupts_off_is_fine(
    program: Callable[[str], Image], protocol: str
) -> None:
    check = LockDiscipline()
    history = observed(program(f"pair_{protocol}"), check.needs, 3, 40_000)
    assert check.examine(history) == []


@pytest.mark.parametrize("seed", [2, 3])
def test_lock_of_tas_irqon_is_reported_whether_or_not_it_hangs(
    program: Callable[[str], Image], seed: int
) -> None:
    check = LockDiscipline()
    history = observed(program("pair_tas_irqon"), check.needs, seed, 40_000)
    (found,) = summaries(check.examine(history))
    assert found.startswith("the lock at tas_word (0x")


@pytest.mark.parametrize("name", ["timer_tick", "ioapic_pit", "ipi_ping", "pair_freeze_ordered"])
def test_programs_treat_interrupts_well(program: Callable[[str], Image], name: str) -> None:
    history = observed(program(name), Needs.ACCESSES | Needs.EVENTS | Needs.FLAGS, 3, 200_000)
    assert LostInterrupts().examine(history) == []
    assert InterruptNesting(2).examine(history) == []
    assert InterruptsOff(30_000).examine(history) == []
    assert EndOfInterrupt().examine(history) == []
