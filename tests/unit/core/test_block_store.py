"""The blocks that one engine has met, their charges and their log."""

import pytest
from lab import CODE, HANDLERS, Lab

from uniSMP.core import native_state as ns


def test_block_met_again_keeps_its_number(long_mode: Lab) -> None:
    blocks = long_mode.core.blocks
    long_mode.code("nop\nhlt")
    blocks.learn(CODE, 2)
    blocks.learn(CODE, 2)
    assert len(blocks._blocks) == 1
    assert blocks.block(0).code == b"\x90\xf4"


def test_block_with_other_bytes_gets_another_number(long_mode: Lab) -> None:
    blocks = long_mode.core.blocks
    long_mode.code("nop\nhlt")
    blocks.learn(CODE, 2)
    long_mode.code("cli\nhlt")
    blocks.learn(CODE, 2)
    assert [block.code for block in blocks._blocks] == [b"\x90\xf4", b"\xfa\xf4"]


def test_no_block_is_current_before_one_is_charged(long_mode: Lab) -> None:
    assert long_mode.core.blocks.current() is None


def test_charge_of_one_instruction_counts_it(long_mode: Lab) -> None:
    long_mode.code("nop\nhlt")
    long_mode.engine.state[ns.REMAINING] = 5
    long_mode.core.blocks.charge_one(CODE, 1)
    block = long_mode.core.blocks.current()
    assert block is not None
    assert (block.code, long_mode.core.retired) == (b"\x90", 1)
    assert long_mode.engine.state[ns.REMAINING] == 4


def test_refund_gives_back(long_mode: Lab) -> None:
    long_mode.code("nop\nhlt")
    long_mode.core.blocks.charge_one(CODE, 1)
    long_mode.core.blocks.refund(1)
    assert (long_mode.core.retired, long_mode.engine.state[ns.REMAINING]) == (0, 0)


def test_single_is_the_block_of_one_instruction(long_mode: Lab) -> None:
    blocks = long_mode.core.blocks
    long_mode.code("nop\ncli\nhlt")
    blocks.learn(CODE, 3)
    number = blocks.single(0, 1)
    assert (blocks.block(number).address, blocks.block(number).code) == (CODE + 1, b"\xfa")
    assert blocks.single(0, 1) == number


def test_log_tells_blocks_and_what_was_executed_of_them(long_mode: Lab) -> None:
    long_mode.core.blocks.start_log(64, lambda: None)
    long_mode.gate(6, offset=HANDLERS)
    long_mode.memory.write(HANDLERS, b"\xf4")
    long_mode.run("nop\nnop\nud2\nnop")
    log = [(block.address, executed) for block, executed in long_mode.core.blocks.take_log()]
    assert log == [(CODE, 2), (HANDLERS, 1)]


def test_log_that_nobody_takes_is_dropped_when_it_is_full(long_mode: Lab) -> None:
    blocks = long_mode.core.blocks
    blocks.start_log(2, blocks._drop_log)
    long_mode.run("cpuid\ncpuid\ncpuid\ncpuid\ncpuid\nhlt")
    assert len(blocks.take_log()) <= 2


@pytest.mark.parametrize("capacity", [1, 2, 3, 64])
def test_log_of_any_capacity_tells_the_same(long_mode: Lab, capacity: int) -> None:
    taken: list[tuple[int, int]] = []
    blocks = long_mode.core.blocks

    def take() -> None:
        taken.extend((block.address, executed) for block, executed in blocks.take_log())

    blocks.start_log(capacity, take)
    long_mode.run(
        "mov ecx, 4\nagain: cpuid\nmov edi, 0x50000\nstosb\ndec dword ptr [0x50008]\n"
        "rdtsc\nmov rax, cr8\nint3"
    )
    take()
    addresses = [address for address, _ in taken]
    assert sum(executed for _, executed in taken) == long_mode.core.retired == 9
    assert addresses[0] == CODE
