"""The compiled callbacks and the loop, seen through the words they share with Python."""

import pytest
from lab import CODE, DATA, Lab

from uniSMP.core import native
from uniSMP.core import native_state as ns

COMPILED = [
    native.on_block,
    native.on_translation,
    native.on_interrupt,
    native.on_invalid,
    native.on_device_read,
    native.on_device_write,
    native.on_code_page,
]


def begin(lab: Lab, source: str, budget: int = 100) -> None:
    lab.code(source)
    lab.core._forget_block()
    lab.engine.state[ns.REMAINING] = budget
    lab.engine.state[ns.WATCH_INTERRUPTS] = lab.engine.state[ns.WATCH_IRET] = 0


def run(lab: Lab, source: str, budget: int = 100) -> int:
    """Run natively, learning blocks on the way; return the first other reason."""
    begin(lab, source, budget)
    while True:
        reason = native.run(lab.engine.state)
        if reason != ns.STOPPED_UNKNOWN:
            return int(reason)
        state = lab.engine.state
        lab.core.blocks.learn(int(state[ns.UNKNOWN_ADDRESS]), int(state[ns.UNKNOWN_SIZE]))
        lab.core._forget_block()


@pytest.mark.parametrize("callback", COMPILED)
def test_callback_has_a_host_address(callback: object) -> None:
    assert callback.address > 0  # type: ignore[attr-defined]


def test_run_meets_an_unknown_block_before_it_runs(long_mode: Lab) -> None:
    begin(long_mode, "inc eax\nhlt")
    assert native.run(long_mode.engine.state) == ns.STOPPED_UNKNOWN
    assert long_mode.engine.state[ns.UNKNOWN_ADDRESS] == CODE
    assert long_mode.engine.state[ns.UNKNOWN_SIZE] == 3
    assert long_mode.registers["rax"] == 0


@pytest.mark.parametrize(
    ("source", "reason", "retired"),
    [
        ("nop\nhlt", ns.STOPPED_HALT, 2),
        ("nop\ncpuid", ns.STOPPED_SENSITIVE, 1),
        ("nop\nint3", ns.STOPPED_EXCEPTION, 2),
        ("nop\nint 0x80", ns.STOPPED_HALT, 3),
        ("nop\nud2", ns.STOPPED_INVALID, 2),
        ("mov ebx, 0x40000000\nmov [rbx], al\nnop\nhlt", ns.STOPPED_MMIO, 4),
        ("again: jmp again", ns.STOPPED_BUDGET, 100),
    ],
)
def test_run_ends_for_a_reason(long_mode: Lab, source: str, reason: int, retired: int) -> None:
    """A block is charged whole; Python refunds what was not executed."""
    assert run(long_mode, source) == reason
    assert long_mode.core.retired == retired


def test_run_of_a_device_load_tells_where_and_how(long_mode: Lab) -> None:
    run(long_mode, "mov ebx, 0x40000010\nmov ax, [rbx]")
    state = long_mode.engine.state
    assert (state[ns.MMIO_ADDRESS], state[ns.MMIO_SIZE]) == (0x4000_0010, 2)
    assert state[ns.MMIO_IS_WRITE] == 0
    assert long_mode.registers["rip"] == CODE + 5


def test_run_of_a_device_store_tells_the_value(long_mode: Lab) -> None:
    run(long_mode, "mov ebx, 0x40000010\nmov byte ptr [rbx], 0x77")
    state = long_mode.engine.state
    assert (state[ns.MMIO_VALUE] & 0xFF, state[ns.MMIO_IS_WRITE]) == (0x77, 1)


def test_run_one_executes_one_instruction(long_mode: Lab) -> None:
    begin(long_mode, "inc eax\ninc eax\nhlt")
    assert native.run_one(long_mode.engine.state) == ns.STOPPED_STEP
    assert (long_mode.registers["rax"], long_mode.registers["rip"]) == (1, CODE + 2)


def test_run_one_of_hlt_ends_in_it(long_mode: Lab) -> None:
    begin(long_mode, "hlt")
    assert native.run_one(long_mode.engine.state) == ns.STOPPED_HALT


def test_resume_flag_lasts_for_one_instruction(long_mode: Lab) -> None:
    """However the instructions behind it are cut into blocks."""
    long_mode.registers["rflags"] = 0x1_0002
    long_mode.code("nop\nnop\nnop\nhlt")
    long_mode.run(budget=1)
    assert long_mode.registers["rflags"] == 2


def test_epoch_counts_what_may_change_the_mapping(long_mode: Lab) -> None:
    before = int(long_mode.engine.state[ns.EPOCH])
    long_mode.run(f"mov rax, cr3\nmov cr3, rax\ninvlpg [{DATA}]\nhlt")
    assert long_mode.engine.state[ns.EPOCH] == before + 2
