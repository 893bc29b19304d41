"""The border to Keystone."""

import keystone
import pytest

from uniSMP.assembler import encoder
from uniSMP.assembler.encoder import KeystoneError, assemble_text, encode
from uniSMP.assembler.items import Item, Label, Piece
from uniSMP.assembler.source import SourceLine

HERE = SourceLine("f", 1, "text")


def piece(text: str) -> Piece:
    return Piece(HERE, text, None, 1)


def test_encode_items_gives_bytes_and_addresses() -> None:
    items: list[Item] = [piece("nop"), Label(HERE, "a", is_local=False), piece("mov eax, u_a")]
    found = encode(items, 0x1000, {}, {})
    assert found.data.hex() == "90b801100000"
    assert found.addresses == (0x1000, 0x1001, 0x1001, 0x1006)


def test_encode_missing_symbol_raises_and_tells() -> None:
    with pytest.raises(KeystoneError) as caught:
        encode([piece("jmp u_x")], 0, {}, {})
    assert caught.value.is_symbol_missing


def test_encode_part_dropped_in_silence_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "assemble_text", lambda _text, _origin: b"\x90")
    with pytest.raises(KeystoneError, match="Keystone dropped a part of the source"):
        encode([piece("nop")], 0, {}, {})


def test_assemble_text_nothing_given_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystone.Ks, "asm", lambda *_, **__: (None, 0))
    with pytest.raises(KeystoneError, match="Keystone gives nothing"):
        assemble_text("nop", 0)


def test_assemble_text_other_error_keeps_its_words() -> None:
    with pytest.raises(KeystoneError, match=r"^invalid symbol redefined$"):
        assemble_text("a: nop\na: nop", 0)
