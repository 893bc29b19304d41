"""A core is saved and put back; its exceptions in place are counted and run up to."""

from collections.abc import Callable

import pytest
from lab import CODE, DATA, WINDOW, Lab

from uniSMP.core.core import Stop
from uniSMP.core.registers import architectural_state

EVERYTHING = f"""
    mov rax, cr4
    or eax, 0x600
    mov cr4, rax
    mov rax, 0x1122334455667788
    mov [{DATA}], rax
    movq xmm5, rax
    fninit
    fldpi
    fild qword ptr [{DATA}]
    mov ecx, 0xC0000102
    mov edx, 0x77
    wrmsr
    mov ecx, 0x174
    xor edx, edx
    wrmsr
    mov ecx, 0x2FF
    mov eax, 0x806
    wrmsr
    mov rax, {DATA}
    mov dr0, rax
    mov r15, -1
    add r15, 1
    hlt
"""


@pytest.mark.parametrize("mode", ["long", "protected", "real"])
def test_state_comes_back(mode: str) -> None:
    lab = Lab(mode)
    lab.run("mov ebx, 0x1234\nmov ecx, 5\nadd eax, ecx\ncmp eax, 6\nhlt")
    kept, state = lab.core.save(), architectural_state(lab.core)
    lab.run("mov ebx, 0x99\nint 0x80")
    assert architectural_state(lab.core) != state
    lab.core.restore(kept)
    assert architectural_state(lab.core) == state
    assert lab.core.save() == kept
    lab.machine.close()


def test_all_kinds_of_registers_come_back(long_mode: Lab) -> None:
    lab = long_mode
    fresh, at_start = lab.core.save(), architectural_state(lab.core)
    lab.run(EVERYTHING)
    kept, state = lab.core.save(), architectural_state(lab.core)
    extended = lab.registers.extended()
    assert extended["xmm5"] == 0x1122334455667788
    lab.core.restore(fresh)
    assert architectural_state(lab.core) == at_start
    assert lab.registers.extended()["xmm5"] == 0
    lab.core.restore(kept)
    assert architectural_state(lab.core) == state
    assert lab.registers.extended() == extended
    assert lab.core.msrs.stored[0x2FF] == 0x806


def test_counts_and_activity_come_back(long_mode: Lab) -> None:
    lab = long_mode
    kept = lab.core.save()
    lab.enter("nop\nint 0x80")
    assert (lab.core.retired, lab.core.is_halted, lab.core.exceptions) == (3, True, {0x80: 1})
    halted = lab.core.save()
    lab.core.restore(kept)
    assert (lab.core.retired, lab.core.is_halted, lab.core.exceptions) == (0, False, {})
    lab.core.restore(halted)
    assert (lab.core.retired, lab.core.is_halted, lab.core.exceptions) == (3, True, {0x80: 1})


def test_image_does_not_change_with_the_core(long_mode: Lab) -> None:
    lab = long_mode
    kept = lab.core.save()
    counts = dict(kept.exceptions)
    lab.enter("int 0x80")
    lab.core.restore(kept)
    lab.enter("int 0x81")
    assert kept.exceptions == counts == {}
    assert lab.core.exceptions == {0x81: 1}


def test_core_that_waits_or_is_dead_comes_back_so(long_mode: Lab) -> None:
    lab = long_mode
    lab.set_idt_limit(0)
    alive = lab.core.save()
    assert lab.run("ud2") is Stop.SHUTDOWN
    dead = lab.core.save()
    lab.core.restore(alive)
    assert not lab.core.is_shut_down
    lab.core.waits_for_start = True
    waiting = lab.core.save()
    lab.core.restore(dead)
    assert (lab.core.is_shut_down, lab.core.waits_for_start) == (True, False)
    lab.core.restore(waiting)
    assert (lab.core.is_shut_down, lab.core.waits_for_start) == (False, True)


def test_tlb_is_empty_after_restore(long_mode: Lab) -> None:
    lab = long_mode
    leaf = lab.map_page(WINDOW, DATA | 3)
    kept = lab.core.save()
    lab.quad(DATA, 1)
    lab.quad(DATA + 0x1000, 2)
    lab.run(f"mov rbx, {WINDOW}\nmov rax, [rbx]\nhlt")
    lab.quad(leaf, DATA + 0x1000 | 3)
    lab.core.restore(kept)
    lab.run(f"mov rbx, {WINDOW}\nmov rax, [rbx]\nhlt")
    assert lab.registers["rax"] == 2


def test_shadow_of_sti_and_blocked_nmi_come_back(long_mode: Lab) -> None:
    lab = long_mode
    lab.run("sti\nnop\nhlt", budget=1)
    lab.context.block_nmi()
    kept = lab.core.save()
    assert (lab.core.is_shadowed, lab.core.accepts_interrupts, lab.core.accepts_nmi) == (
        True,
        False,
        False,
    )
    lab.run(budget=1)
    assert lab.core.accepts_interrupts
    lab.core.restore(kept)
    assert (lab.core.is_shadowed, lab.core.accepts_interrupts, lab.core.accepts_nmi) == (
        True,
        False,
        False,
    )


# -- exceptions in place ---------------------------------------------------------------------------


def chain(lab: Lab) -> list[int]:
    """Set up #UD whose handler's first instruction raises #GP, whose handler's raises #PF."""
    places = lab.code(
        f"mov rdx, {WINDOW}\nud2\nfirst: mov cr8, r15\nsecond: mov eax, [rdx]\nthird: nop\nhlt"
    )
    lab.registers["r15"] = (1 << 64) - 1
    names = ("first", "second", "third")
    for vector, name in zip((6, 13, 14), names, strict=True):
        lab.gate(vector, offset=places[name])
    return [places[name] for name in names]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_exceptions_are_run_up_to_and_counted(long_mode: Lab, count: int) -> None:
    places = chain(long_mode)
    core = long_mode.core
    assert core.run(1) is Stop.BUDGET
    assert core.faults_in_place == 0
    assert core.run_faults(count) is Stop.BUDGET
    assert (core.faults_in_place, core.retired) == (count, 1)
    assert long_mode.context.linear_rip == places[count - 1]


def test_exceptions_are_run_up_to_one_by_one(long_mode: Lab) -> None:
    places, core, stands = chain(long_mode), long_mode.core, []
    core.run(1)
    for count in (1, 2, 3):
        core.run_faults(count)
        stands.append(long_mode.context.linear_rip)
    assert stands == places
    core.run_faults(4)  # there is no fourth: an instruction retires
    assert (core.faults_in_place, core.retired) == (0, 2)


def test_run_behind_exceptions_in_place_is_exact(long_mode: Lab) -> None:
    chain(long_mode)
    core = long_mode.core
    core.run(1)
    core.run_faults(2)
    assert core.run(1) is Stop.BUDGET
    assert (core.retired, core.faults_in_place) == (2, 0)
    assert core.exceptions == {6: 1, 13: 1, 14: 1}


def test_count_is_that_of_one_boundary(long_mode: Lab) -> None:
    chain(long_mode)
    core = long_mode.core
    core.run(1)
    core.run_faults(3)
    assert [core.faults_at(retired) for retired in (0, 1, 2)] == [0, 3, 0]
    core.run(1)
    assert [core.faults_at(retired) for retired in (1, 2)] == [3, 0]


@pytest.mark.parametrize(
    "deliver", [lambda core: core.deliver_interrupt(0x40), lambda core: core.deliver_nmi()]
)
def test_interrupt_begins_the_count_anew(
    long_mode: Lab, deliver: Callable[[object], object]
) -> None:
    chain(long_mode)
    core = long_mode.core
    core.run(1)
    core.run_faults(2)
    deliver(core)
    assert core.faults_in_place == 0


def test_count_comes_back(long_mode: Lab) -> None:
    places, core = chain(long_mode), long_mode.core
    core.run(1)
    core.run_faults(2)
    kept = core.save()
    core.run(2)
    assert core.faults_in_place == 0
    core.restore(kept)
    assert (core.faults_in_place, long_mode.context.linear_rip) == (2, places[1])
    core.run_faults(3)
    assert long_mode.context.linear_rip == places[2]


def test_software_interrupt_is_no_exception_in_place(long_mode: Lab) -> None:
    long_mode.code("int 0x80")
    assert long_mode.core.run(1) is Stop.BUDGET
    assert (long_mode.core.faults_in_place, long_mode.core.retired) == (0, 1)


def test_triple_fault_counts_its_first_exception(long_mode: Lab) -> None:
    long_mode.set_idt_limit(0)
    long_mode.code("nop\nud2")
    assert long_mode.core.run(2) is Stop.SHUTDOWN
    assert (long_mode.core.retired, long_mode.core.faults_in_place) == (1, 1)


def test_same_exception_for_ever_is_stuck_at_the_same_count(long_mode: Lab) -> None:
    places = long_mode.code("again: ud2")
    long_mode.gate(6, offset=places["again"], ist=1)
    assert long_mode.core.run(5) is Stop.STUCK
    assert long_mode.core.faults_in_place == 10_001
    assert long_mode.context.linear_rip == CODE
