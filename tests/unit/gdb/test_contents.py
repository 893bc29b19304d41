"""Packets that read and write registers and memory."""

from typing import Any

import pytest
from fake import FakeTimeline

from uniSMP import Image
from uniSMP.errors import ConfigError
from uniSMP.gdb.contents import BAD_ADDRESS, MALFORMED, OK, Contents
from uniSMP.gdb.memory import DebugMemory
from uniSMP.gdb.registers import NUMBER

RAX = f"{NUMBER['rax']:x}".encode()


def contents_of(timeline: Any) -> Contents:
    return Contents(timeline, DebugMemory(timeline))


@pytest.fixture
def contents(count_image: Image) -> Contents:
    return contents_of(FakeTimeline(count_image, 2))


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (b"m1000,0", b""),
        (b"m1000,2", b"0000"),
        (b"mfee00000,4", BAD_ADDRESS),
        (b"M1000,2:0102", OK),
        (b"M1000,2:01", MALFORMED),
        (b"X1000,2:ab", OK),
        (b"X1000,2:a:b", MALFORMED),
        (b"Xfee00000,0:", OK),
        (b"p" + RAX, b"0000000000000000"),
        (b"P" + RAX + b"=0102030405060708", OK),
    ],
)
def test_packet_is_answered(contents: Contents, packet: bytes, answer: bytes) -> None:
    assert contents.commands[packet[:1]](packet[1:]) == answer


@pytest.mark.parametrize("packet", [b"m", b"m1000", b"mx,1", b"M1000,1", b"M1000,1:0", b"P0", b"p"])
def test_packet_that_is_odd_is_a_value_error(contents: Contents, packet: bytes) -> None:
    with pytest.raises(ValueError, match=r"^b'"):
        contents.commands[packet[:1]](packet[1:])


def test_answer_fits_a_packet(contents: Contents) -> None:
    assert len(contents.commands[b"m"](b"0,ffffff")) == 0x4000 - 32


def test_registers_are_those_of_the_chosen_core(contents: Contents) -> None:
    contents.core_id = 1
    contents.commands[b"P"](RAX + b"=0102030405060708")
    assert contents.commands[b"p"](RAX) == b"0102030405060708"
    contents.core_id = 0
    assert contents.commands[b"p"](RAX) == b"0000000000000000"


def test_all_registers_are_written_as_they_are_read(contents: Contents) -> None:
    data = contents.commands[b"g"](b"")
    assert contents.commands[b"G"](b"01" + data[2:]) == OK
    assert contents.commands[b"g"](b"") == b"01" + data[2:]


def test_jump_sets_rip_of_the_chosen_core(count_image: Image) -> None:
    timeline = FakeTimeline(count_image, 2)
    contents = contents_of(timeline)
    contents.core_id = 1
    contents.jump(0x10_0003)
    assert [core.linear_rip for core in timeline.machine.cores] == [0x10_0000, 0x10_0003]


@pytest.mark.parametrize("packet", [b"M1000,1:00", b"X1000,1:a", b"P0=00", b"G00"])
def test_recording_is_not_changed(count_image: Image, packet: bytes) -> None:
    contents = contents_of(FakeTimeline(count_image, is_live=False))
    with pytest.raises(ConfigError, match="a recording cannot be changed"):
        contents.commands[packet[:1]](packet[1:])
    with pytest.raises(ConfigError, match="a recording cannot be changed"):
        contents.jump(0)
