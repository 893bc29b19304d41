"""Framing of packets: whatever arrives, in whatever pieces."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uniSMP.gdb.packets import (
    LONGEST_PAYLOAD_BYTES,
    Decoder,
    Packet,
    Signal,
    escape,
    frame,
    shorten,
    unescape,
)


def expanded(raw: bytes) -> bytes:
    """Undo run lengths, as gdb does."""
    out = bytearray()
    place = 0
    while place < len(raw):
        if raw[place] == ord("*"):
            out += bytes([out[-1]]) * (raw[place + 1] - 29)
            place += 2
        else:
            out.append(raw[place])
            place += 1
    return bytes(out)


@given(st.binary(max_size=400))
def test_random_bytes_never_raise(data: bytes) -> None:
    Decoder().feed(data)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_packet_is_found_behind_noise(noise: bytes, payload: bytes) -> None:
    decoder = Decoder()
    decoder.feed(noise + b"#00")  # ends whatever packet the noise began
    raw = escape(payload)
    packet = b"$" + raw + b"#%02x" % (sum(raw) & 0xFF)
    decoder.feed(packet)
    assert decoder.feed(packet) == [Packet(payload)]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_pieces_of_any_size_give_the_same_packets(payload: bytes, cuts: list[int]) -> None:
    raw = escape(payload)
    packet = b"+$" + raw + b"#%02x\x03" % (sum(raw) & 0xFF)
    edges = [0, *sorted(min(cut, len(packet)) for cut in cuts), len(packet)]
    decoder = Decoder()
    found = [
        item
        for i in range(len(edges) - 1)
        for item in decoder.feed(packet[edges[i] : edges[i + 1]])
    ]
    assert found == [Signal.ACKNOWLEDGED, Packet(payload), Signal.INTERRUPT]


@given(st.binary(max_size=400))
def test_escapes_and_run_lengths_are_undone_by_the_other_side(data: bytes) -> None:
    short = shorten(escape(data))
    assert unescape(expanded(short)) == data
    assert not {ord("$"), ord("#")} & set(short)


@given(st.lists(st.tuples(st.sampled_from(b"0ab}*#"), st.integers(1, 300)), max_size=5))
def test_long_runs_survive(runs: list[tuple[int, int]]) -> None:
    data = b"".join(bytes([byte]) * count for byte, count in runs)
    short = shorten(escape(data))
    assert unescape(expanded(short)) == data


def test_run_of_equal_bytes_is_short_and_printable() -> None:
    assert shorten(b"0" * 4) == b"0* "
    assert shorten(b"000") == b"000"
    assert all(32 <= byte <= 126 for byte in shorten(b"0" * 1000))
    assert [key for key, _ in groupby(expanded(shorten(b"0" * 7)))] == [ord("0")]


def test_frame_has_the_sum_of_what_is_sent() -> None:
    assert frame(b"OK") == b"$OK#9a"
    assert frame(b"") == b"$#00"


@pytest.mark.parametrize("text", [b"$OK#9b", b"$OK#zz", b"$OK#+1", b"$OK# 9"])
def test_wrong_checksum_is_damage(text: bytes) -> None:
    assert Decoder().feed(text) == [Signal.DAMAGED]


def test_packet_that_is_too_long_is_damage_and_takes_no_memory() -> None:
    decoder = Decoder()
    data = b"x" * (LONGEST_PAYLOAD_BYTES + 100)
    assert decoder.feed(b"$" + data + b"#%02x" % (sum(data) & 0xFF)) == [Signal.DAMAGED]
    assert decoder.feed(b"$g#67") == [Packet(b"g")]


def test_packet_begun_anew_replaces_the_one_before() -> None:
    assert Decoder().feed(b"$m10$g#67") == [Packet(b"g")]


def test_both_acknowledgements_and_ctrl_c_stand_between_packets() -> None:
    assert Decoder().feed(b"+-\x03x") == [Signal.ACKNOWLEDGED, Signal.REFUSED, Signal.INTERRUPT]
