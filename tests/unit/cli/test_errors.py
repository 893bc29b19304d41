"""Bad input gets one clear line and exit status 2."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uniSMP.core import engine_build

Unismp = Callable[..., Any]
Source = Callable[[str], str]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "Missing argument"),
        (["run", "no_such_thing"], "no program and no file"),
        (["run", "/"], "cannot read /"),
        (["run", "hello", "--cores", "0"], "choose 1 to 255"),
        (["run", "hello", "--cores", "256"], "choose 1 to 255"),
        (["run", "hello", "--cores", "two"], "not a valid integer"),
        (["run", "hello", "--memory", "lots"], "lots"),
        (["run", "hello", "--memory", "0"], "zero"),
        (["run", "hello", "--memory", "4G"], "RAM"),
        (["run", "hello", "--quantum", "0"], "quantum"),
        (["run", "hello", "--seed", "-1"], "seed"),
        (["run", "hello", "--ticks-per-instruction", "0"], "ticks"),
        (["run", "hello", "--max-instructions", "0"], "--max-instructions 0"),
        (["run", "hello", "--timeout", "0"], "timeout"),
        (["run", "hello", "--timeout", "nan"], "timeout"),
        (["run", "hello", "--boot", "uefi"], "uefi"),
        (["run", "hello", "--module", "/no/such/file"], "cannot read module /no/such/file"),
        (["run", "hello", "--input", "/no/such/file"], "cannot read /no/such/file"),
        (["run", "hello", "--frobnicate"], "frobnicate"),
        (["run", "hello", "extra"], "extra"),
        (["frobnicate"], "frobnicate"),
        (["build", "hello"], "output"),
        (["build", "hello", "-o", "/no/such/place/file"], "cannot write"),
        (["disasm", "hello", "--symbol", "nowhere"], "no symbol nowhere"),
    ],
)
def test_error_of_use_is_one_line_and_status_2(
    unismp: Unismp, arguments: list[str], words: str
) -> None:
    call = unismp(*arguments)
    assert (call.status, call.out) == (2, "")
    assert call.err.count("\n") == 1
    assert words in call.err


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no multiboot header"),
        (b"hello", "no multiboot header"),
        (bytes.fromhex("02B0AD1B 00000100 FE4F51E4"), ""),
        (bytes.fromhex("02B0AD1B 00000000 FE4F52E4"), ""),
        (b"\x7fELF" + bytes(60), "no multiboot header"),
    ],
)
def test_damaged_image_is_one_line_and_status_2(
    unismp: Unismp, tmp_path: Path, data: bytes, words: str
) -> None:
    path = tmp_path / "image"
    path.write_bytes(data)
    call = unismp("run", str(path))
    assert (call.status, call.err.count("\n")) == (2, 1)
    assert words in call.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("_start:\n    nop\n    frobnicate eax\n", "guest.asm:3"),
        ("_start:\n    jmp nowhere\n", "nowhere"),
        ('.include "missing.inc"\n', "missing.inc"),
        ("", "nothing to assemble"),
    ],
)
def test_assembly_error_names_the_place(
    unismp: Unismp, source: Source, text: str, words: str
) -> None:
    call = unismp("run", source(text))
    assert (call.status, call.err.count("\n")) == (2, 1)
    assert words in call.err


def test_unsupported_engine_is_one_line_and_status_2(
    unismp: Unismp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unicorn.__version__", "2.0.0")
    engine_build.check.cache_clear()
    call = unismp("run", "hello")
    assert (call.status, call.err.count("\n")) == (2, 1)
    assert "unsupported build of Unicorn" in call.err
