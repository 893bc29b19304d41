"""Whole sources: symbols, lines, entry, and what Keystone alone would give."""

import time
from pathlib import Path

import keystone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.assembler import library
from uniSMP.assembler.assemble import assemble, assemble_file
from uniSMP.errors import AssemblyError

SOURCE = """\
; a comment
LIMIT = 5
        nop
_start: mov eax, LIMIT
.L1:    jmp far_away        ; near
1:      jmp 1b
        .space 200
far_away:
        ret
value:  .quad value
"""


def test_assemble_source_gives_symbols() -> None:
    assert assemble(SOURCE, origin=0x2000).symbols == {
        "LIMIT": 5,
        "_start": 0x2001,
        "far_away": 0x20D5,
        "value": 0x20D6,
    }


def test_assemble_source_gives_lines() -> None:
    rows = [(row.address, row.line) for row in assemble(SOURCE, origin=0x2000, name="f").lines]
    assert rows == [
        (0x2000, 3), (0x2001, 4), (0x2006, 5), (0x200B, 6), (0x200D, 7), (0x20D5, 9), (0x20D6, 10),
    ]  # fmt: skip


def test_assemble_source_gives_labels_by_address() -> None:
    assert assemble(SOURCE).labels == ("_start", "far_away", "value")


def test_assemble_start_is_the_entry() -> None:
    assert assemble(SOURCE, origin=0x2000).entry == 0x2001


def test_assemble_without_start_enters_at_origin() -> None:
    assert assemble("nop", origin=0x2000).entry == 0x2000


def test_assemble_file_names_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.asm").write_text(SOURCE)
    image = assemble_file(tmp_path / "a.asm", origin=0x2000)
    assert image.data == assemble(SOURCE, origin=0x2000).data
    assert image.lines[0].file == str(tmp_path / "a.asm")


@pytest.mark.parametrize("source", ["", "\n\n", "; only a comment", "a:", "A = 5", ".if 0\n.endif"])
def test_assemble_nothing_raises(source: str) -> None:
    with pytest.raises(AssemblyError, match=r"^<source>: nothing to assemble$"):
        assemble(source)


@pytest.mark.parametrize("origin", [-1, 1 << 64])
def test_assemble_origin_out_of_range_raises(origin: int) -> None:
    with pytest.raises(AssemblyError, match=r"is not an address of 64 bits$"):
        assemble("nop", origin=origin)


@pytest.mark.parametrize("origin", [0, 0x7C00, 0x100000, 0xFFFFFFFF80000000])
def test_assemble_any_origin_gives_absolute_addresses(origin: int) -> None:
    image = assemble("a: nop\nb: .quad a, b\nlea rax, [rip + a]", origin=origin)
    assert image.symbols == {"a": origin, "b": origin + 1}
    assert int.from_bytes(image.data[9:17], "little") == origin + 1


def test_assemble_mistake_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssemblyError):
        assemble(".fill -1\n.section x\nfoo [")
    assert capfd.readouterr() == ("", "")


def test_assemble_twice_gives_equal_images() -> None:
    assert assemble(SOURCE) == assemble(SOURCE)


def test_assemble_symbols_of_the_image_are_found_at_their_addresses() -> None:
    image = assemble(SOURCE)
    assert image.symbol_at(image.symbols["value"] + 3) == ("value", 3)
    assert image.symbol_at(image.origin) is None


PLAIN = st.sampled_from(
    [
        "nop", "mov eax, 5", "mov rax, [rbx + rcx*8 + 16]", "jmp l{}", "je l{}", "call l{}",
        "lea rdi, [rip + l{}]", "mov esi, l{}", ".quad l{}", ".long l{}", ".byte 1,2,3",
        '.ascii "a;b#c"', ".code16", ".code32", ".code64", "mov word ptr [si], ax",
        "add rsp, 0x1000", ".fill 120,1,0", ".p2align 4,0", "lock inc dword ptr [rax]",
    ]
)  # fmt: skip


def plain_keystone(lines: list[str]) -> bytes:
    engine = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64)
    output, _ = engine.asm("\n".join(lines).encode(), 0x100000, as_bytes=True)
    return bytes(output)


def usable(line: str, mode: str) -> str:
    """Return `line`, or a filler where `mode` has no such instruction or the product differs."""
    is_long = any(word in line for word in ("rax", "rbx", "rip", "rsp"))
    is_real_only = "[si]" in line
    return "hlt" if (is_long and mode != "64") or (is_real_only and mode != "16") else line


def program(lines: list[str], targets: list[int]) -> list[str]:
    mode, result = "64", []
    for index, (line, target) in enumerate(zip(lines, targets, strict=False)):
        mode = line[5:] if line.startswith(".code") else mode
        text = "nop" if mode == "16" and line.startswith("call") else usable(line, mode)
        result.append(f"l{index}: {text.format(target % len(lines))}")
    return [*result, *(f"l{index}:" for index in range(len(result), len(lines))), "hlt"]


@given(st.lists(PLAIN, min_size=1, max_size=50), st.lists(st.integers(0, 49), min_size=50))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_assemble_plain_source_gives_what_keystone_gives(
    lines: list[str], targets: list[int]
) -> None:
    source = program(lines, targets)
    assert assemble("\n".join(source)).data == plain_keystone(source)


@given(st.lists(PLAIN, min_size=1, max_size=50), st.lists(st.integers(0, 49), min_size=50))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_assemble_line_table_agrees_with_labels(lines: list[str], targets: list[int]) -> None:
    source = program(lines, targets)
    image = assemble("\n".join(source))
    starts = {index: image.symbols[f"l{index}"] for index in range(len(lines))}
    expected = [
        (starts[index], index + 1)
        for index in range(len(lines))
        if starts.get(index + 1, image.end - 1) > starts[index]
    ]
    assert [(row.address, row.line) for row in image.lines] == [
        *expected,
        (image.end - 1, len(source)),
    ]


def seconds_for(count: int) -> float:
    """Return the least CPU time of three tries to assemble three lines `count` times."""
    lines = [
        f"l{index}: mov eax, [rbx + rcx*8 + 4]\n add rax, 5\n jne l{max(index - 3, 0)}"
        for index in range(count)
    ]
    taken = []
    for _ in range(3):
        start = time.process_time()
        image = assemble("\n".join(lines))
        taken.append(time.process_time() - start)
        assert len(image.lines) == 3 * count
    return min(taken)


def test_time_to_assemble_grows_with_the_lines_and_no_faster() -> None:
    assert seconds_for(800) < 8 * seconds_for(200)


@pytest.mark.parametrize("name", library.programs())
def test_assemble_program_of_the_library_succeeds(name: str) -> None:
    image = assemble_file(library.program_path(name))
    assert image.lines[0].file.startswith("boot/")
    assert library.program_description(name)
