"""The blocks that one engine has met, and their charges."""

from lab import CODE, Lab

from uniSMP.core import native_state as ns


def test_block_met_again_keeps_its_number(long_mode: Lab) -> None:
    blocks = long_mode.core.blocks
    long_mode.code("nop\nhlt")
    blocks.learn(CODE, 2)
    blocks.learn(CODE, 2)
    assert len(blocks._catalog.blocks) == 1
    assert blocks.block(0).code == b"\x90\xf4"


def test_block_with_other_bytes_gets_another_number(long_mode: Lab) -> None:
    blocks = long_mode.core.blocks
    long_mode.code("nop\nhlt")
    blocks.learn(CODE, 2)
    long_mode.code("cli\nhlt")
    blocks.learn(CODE, 2)
    assert [block.code for block in blocks._catalog.blocks] == [b"\x90\xf4", b"\xfa\xf4"]


def test_no_block_is_current_before_one_is_charged(long_mode: Lab) -> None:
    assert long_mode.core.blocks.current() is None


def test_charge_of_one_instruction_counts_it(long_mode: Lab) -> None:
    long_mode.code("nop\nhlt")
    long_mode.engine.state[ns.REMAINING] = 5
    blocks = long_mode.core.blocks
    blocks.charge_single(blocks.number_at(CODE, 1), 0)
    block = long_mode.core.blocks.current()
    assert block is not None
    assert (block.code, long_mode.core.retired) == (b"\x90", 1)
    assert long_mode.engine.state[ns.REMAINING] == 4


def test_refund_gives_back(long_mode: Lab) -> None:
    long_mode.code("nop\nhlt")
    blocks = long_mode.core.blocks
    blocks.charge_single(blocks.number_at(CODE, 1), 0)
    blocks.refund(1)
    assert (long_mode.core.retired, long_mode.engine.state[ns.REMAINING]) == (0, 0)


def test_single_is_the_block_of_one_instruction(long_mode: Lab) -> None:
    blocks = long_mode.core.blocks
    long_mode.code("nop\ncli\nhlt")
    blocks.learn(CODE, 3)
    number = blocks.single(0, 1)
    assert (blocks.block(number).address, blocks.block(number).code) == (CODE + 1, b"\xfa")
    assert blocks.single(0, 1) == number
