"""Blocks: boundaries, sensitive and undefined instructions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.core import native_state as ns
from uniSMP.core.blocks import (
    Block,
    Layout,
    decode_instruction,
    is_sensitive,
    is_undefined,
    is_undefined_encoding,
    lay_out,
)


def layout(text: str, bits: int = 64) -> Layout:
    return lay_out(bytes.fromhex(text), bits)


def test_layout_finds_each_instruction() -> None:
    found = layout("90 4889d8 0f1f4000 c3")
    assert (found.offsets, found.safe, found.flags) == ((0, 1, 4, 8), 4, 0)


@pytest.mark.parametrize(("bits", "offsets"), [(16, (0, 3, 5)), (32, (0,)), (64, (0,))])
def test_layout_depends_on_the_width(bits: int, offsets: tuple[int, ...]) -> None:
    assert layout("b8 0000 0000", bits).offsets[:1] == (0,)
    assert layout("b8 0000 0000" + {16: "90", 32: "", 64: ""}[bits], bits).offsets == offsets


def test_layout_stops_before_the_first_sensitive_instruction() -> None:
    assert layout("90 90 0f31 90 0fa2").safe == 2


def test_layout_stops_before_what_the_decoder_does_not_know() -> None:
    found = layout("90 0f1ec0 90 0f31")
    assert (found.offsets, found.safe) == ((0, 1), 1)


@pytest.mark.parametrize(
    ("code", "flag"),
    [
        ("90 f390", ns.ENDS_IN_PAUSE),
        ("48cf", ns.ENDS_IN_IRET),
        ("cf", ns.ENDS_IN_IRET),
        ("0f22d8", ns.CHANGES_MAPPING),
        ("0f0138", ns.CHANGES_MAPPING),
        ("0f01f0", ns.CHANGES_MAPPING),
        ("48cb", ns.CHANGES_MAPPING),
        ("ff28", ns.CHANGES_MAPPING),
        ("0f20d8", 0),
        ("c3", 0),
    ],
)
def test_layout_flags_what_the_last_instruction_does(code: str, flag: int) -> None:
    assert layout(code).flags == flag


@pytest.mark.parametrize("prefix", ["", "66", "f2", "f3", "2e", "67", "48", "6666", "f366"])
@pytest.mark.parametrize(
    "code",
    ["0f31", "0fa2", "0f32", "0f30", "0f05", "0f34", "ec", "ee", "6c", "6f", "e480", "0f33", "f1"],
)
def test_layout_finds_sensitive_instructions_behind_prefixes(prefix: str, code: str) -> None:
    assert layout("90" + prefix + code).safe == 1


@pytest.mark.parametrize(
    "code", ["0f22c0", "0f2200", "0f22e0", "440f22c0", "440f20c0", "0f23f8", "0f21f8"]
)
def test_layout_takes_checked_moves_as_sensitive(code: str) -> None:
    assert layout(code).safe == 0


@pytest.mark.parametrize("code", ["0f20c0", "0f22d8", "0f20d8", "0f22d0"])
def test_layout_lets_other_control_register_moves_run(code: str) -> None:
    assert layout(code).safe == 1


@pytest.mark.parametrize(
    ("mnemonic", "operands", "expected"),
    [
        ("rdtsc", "", True),
        ("mov", "cr8, rax", True),
        ("mov", "rax, cr8", True),
        ("mov", "rax, dr7", True),
        ("mov", "rax, cr0", False),
        ("mov", "rax, qword ptr [rcx]", False),
        ("add", "cr8, rax", False),
    ],
)
def test_sensitive_is_told_by_mnemonic_and_operands(
    mnemonic: str,
    operands: str,
    expected: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    assert is_sensitive(mnemonic, operands) is expected


@pytest.mark.parametrize(
    ("mnemonic", "operands", "prefixes", "expected"),
    [
        ("add", "qword ptr [rax], rbx", ("lock",), False),
        ("add", "rax, qword ptr [rbx]", ("lock",), True),
        ("mov", "qword ptr [rax], rbx", ("lock",), True),
        ("nop", "", ("lock",), True),
        ("nop", "", (), False),
        ("vzeroupper", "", (), True),
        ("andn", "eax, eax, eax", (), True),
        ("verr", "ax", (), False),
        ("xchg", "dword ptr [rax], eax", ("lock",), False),
    ],
)
def test_undefined_is_a_bad_lock_or_a_vex_encoding(
    mnemonic: str,
    operands: str,
    prefixes: tuple[str, ...],
    expected: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    assert is_undefined(mnemonic, operands, prefixes) is expected


@pytest.mark.parametrize(
    ("code", "bits", "expected"),
    [
        ("f090", 64, True),
        ("66f0c0", 32, True),
        ("48f0c0", 64, True),
        ("8fc890", 64, True),
        ("8fc090", 64, False),
        ("c5f877", 64, True),
        ("62f1", 64, True),
        ("c5c090", 32, True),
        ("c50090", 32, False),
        ("0f1ec0", 64, False),
        ("dcd0", 64, False),
        ("6666", 64, False),
        ("", 64, False),
    ],
)
def test_undefined_encoding_is_told_from_its_first_bytes(
    code: str,
    bits: int,
    expected: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    assert is_undefined_encoding(bytes.fromhex(code), bits) is expected


def test_decoding_separates_prefixes() -> None:
    found = decode_instruction(bytes.fromhex("f3a4 90"), 64)
    assert found is not None
    assert (found.size_bytes, found.mnemonic, found.prefixes) == (2, "movsb", ("rep",))


@pytest.mark.parametrize("code", [b"", b"\x0f", b"\xf0\x90"])
def test_decoding_of_no_instruction_is_none(code: bytes) -> None:
    assert decode_instruction(code, 64) is None


BLOCK = Block(0x1000, bytes.fromhex("90 4889d8 c3"), 64, layout("90 4889d8 c3"))


@pytest.mark.parametrize(
    ("linear", "index"), [(0x1000, 0), (0x1001, 1), (0x1004, 2), (0x1002, None)]
)
def test_block_finds_the_instruction_that_starts_somewhere(linear: int, index: int | None) -> None:
    assert BLOCK.index_of(linear) == index


@pytest.mark.parametrize(
    ("linear", "index"), [(0x0FFF, 0), (0x1000, 0), (0x1002, 1), (0x1004, 2), (0x2000, 2)]
)
def test_block_finds_the_nearest_instruction(linear: int, index: int) -> None:
    assert BLOCK.nearest_index(linear) == index


@pytest.mark.parametrize(("index", "size"), [(0, 1), (1, 3), (2, 1)])
def test_block_knows_sizes(index: int, size: int) -> None:
    assert BLOCK.size_of(index) == size


@settings(derandomize=True, deadline=None, max_examples=300)
@given(code=st.binary(min_size=1, max_size=40), bits=st.sampled_from([16, 32, 64]))
def test_layout_of_any_bytes_is_ordered_and_covers_them(code: bytes, bits: int) -> None:
    found = lay_out(code, bits)
    assert found.offsets[0] == 0
    assert list(found.offsets) == sorted(set(found.offsets))
    assert found.offsets[-1] < len(code)
    assert 0 <= found.safe <= len(found.offsets)
