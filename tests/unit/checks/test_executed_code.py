"""Executed instructions, decoded from memory."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.executed_code import IRETS, PUSHES, ExecutedCode, Instruction, decode
from uniSMP.checks.history import WRITE, Event

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history

MEMORY = bytes(0x100) + bytes.fromhex("50 48cf 90 66b80100 e800000000")


def test_code_has_a_row_for_each_address() -> None:
    code = ExecutedCode(history([(0, 0x103), (1, 0x100), (0, 0x101)], cores=2, memory=MEMORY))
    assert code.rips.tolist() == [0x100, 0x101, 0x103]
    assert [each.mnemonic for each in code.instructions] == ["push", "iretq", "nop"]


def test_rows_and_addresses_are_found_by_mnemonic() -> None:
    run = [(0, 0x100), (1, 0x101), (0, 0x100)]
    code = ExecutedCode(history(run, cores=2, memory=MEMORY))
    assert code.rows(IRETS).tolist() == [1]
    assert code.addresses(PUSHES).tolist() == [0x100]


def test_bytes_belong_to_their_instruction() -> None:
    code = ExecutedCode(history([(0, 0x100), (0, 0x101)], cores=1, memory=MEMORY))
    places, owners = code.bytes_executed()
    assert places.tolist() == [0x100, 0x101, 0x102]
    assert owners.tolist() == [0x100, 0x101, 0x101]


def test_code_is_as_it_was_when_executed_first() -> None:
    accesses = [Access(0, 0, 0x103, 0x100, 1, WRITE, 0x90), Access(2, 0, 1, 0x101, 1, WRITE, 0xCC)]
    run = [(0, 0x103), (0, 0x100), (0, 0x101), (0, 0x100)]
    code = ExecutedCode(history(run, cores=1, memory=MEMORY, accesses=accesses))
    assert [each.mnemonic for each in code.instructions] == ["nop", "iretq", "nop"]


@pytest.mark.parametrize(("mode", "size"), [("real", 6), ("protected", 4), ("64-bit", 4)])
def test_width_of_code_is_that_of_the_mode(mode: str, size: int) -> None:
    run = [(0, 0x104)]
    events = [Event(0, 0, "mode", detail=mode), Event(0, 1, "mode", detail="real")]
    code = ExecutedCode(history(run, cores=2, memory=MEMORY, events=events))
    assert code.instructions[0].size_bytes == size


def test_unknown_bytes_are_one_byte_without_a_mnemonic() -> None:
    assert decode(b"\x06", 64) == Instruction(1, "", "")
    assert decode(b"", 64) == Instruction(1, "", "")


def test_prefixes_are_no_part_of_the_mnemonic() -> None:
    assert decode(bytes.fromhex("f0ff00"), 64) == Instruction(3, "inc", "dword ptr [rax]")
