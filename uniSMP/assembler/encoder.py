"""Keystone, the only import of it: items in, bytes and the address of each item out.

A label stands before each item and one behind the last. Their addresses follow the code as a table
of `.quad`, are read from the output and cut off; nothing before the table depends on it, so that
the code is what it would be without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keystone

from uniSMP.assembler.expressions import render
from uniSMP.assembler.items import Align, Data, Define, Item, Label, ModeSwitch, Pad, Piece
from uniSMP.assembler.symbols import keystone_name, substitute

_MARK = "m_"
_ADDRESS_BYTES = 8
_REASONS = {
    keystone.KS_ERR_ASM_FIXUP_INVALID: "an address or distance does not fit here",
    keystone.KS_ERR_ASM_INVALIDOPERAND: "no such combination of operands",
    keystone.KS_ERR_ASM_MNEMONICFAIL: "unknown instruction",
}


class KeystoneError(Exception):
    """Keystone refused the text; `is_symbol_missing` tells that a name has no value."""

    def __init__(self, reason: str, *, is_symbol_missing: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_symbol_missing = is_symbol_missing


@dataclass(frozen=True, slots=True)
class Encoded:
    """Bytes, and the address where each item begins; one more for the end."""

    data: bytes
    addresses: tuple[int, ...]


def encode(
    items: Sequence[Item], origin: int, pads: Mapping[int, int], late: Mapping[str, int]
) -> Encoded:
    """Assemble `items` at `origin`.

    Args:
        items: what to assemble.
        origin: address of the first byte.
        pads: the count of each `Pad`, by its index.
        late: values of the symbols that are known from an earlier layout only.

    Raises:
        KeystoneError: Keystone does not take them.
    """
    texts: list[str] = []
    for index, item in enumerate(items):
        texts.append(f"{_MARK}{index}:")
        texts.append(text_of(item, pads.get(index, 0), late))
    texts.append(f"{_MARK}{len(items)}:")
    texts += [f".quad {_MARK}{index}" for index in range(len(items) + 1)]
    output = assemble_text("\n".join(texts), origin)
    split = len(output) - _ADDRESS_BYTES * (len(items) + 1)
    table = output[max(split, 0) :]
    addresses = tuple(
        int.from_bytes(table[at : at + _ADDRESS_BYTES], "little")
        for at in range(0, len(table), _ADDRESS_BYTES)
    )
    if split < 0 or addresses[-1] != origin + split:
        raise KeystoneError("Keystone dropped a part of the source", is_symbol_missing=False)
    return Encoded(output[:split], addresses)


def text_of(item: Item, pad: int, late: Mapping[str, int]) -> str:
    """Return what Keystone is given for `item`."""
    text = ""
    match item:
        case Label(name=name):
            text = f"{keystone_name(name)}:"
        case Piece(text=plain):
            text = substitute(plain, late)
        case Data(size_bytes=size):
            text = _space(b"\0", size)
        case Align(text=directive):
            text = directive
        case Pad(unit=unit):
            text = _space(unit, pad)
        case Define(name=name, value=value) if name not in late:
            text = f".set {keystone_name(name)},{render(value)}"
        case ModeSwitch(mode=mode):
            text = f".code{int(mode)}"
        case _:
            pass
    return text


def _space(unit: bytes, count: int) -> str:
    if count == 0:
        return ""
    if len(set(unit)) == 1:
        return f".fill {count * len(unit)},1,{unit[0]}"
    return f".byte {','.join(map(str, unit * count))}"


def assemble_text(text: str, origin: int) -> bytes:
    """Return the bytes of `text` in 64-bit mode at `origin`.

    Raises:
        KeystoneError: Keystone does not take it.
    """
    try:
        output = _assemble_once(text, origin)
    except keystone.KsError:
        # It was seen to refuse, very seldom, what it takes the next time.
        output = _assemble_again(text, origin)
    if output is None:
        raise KeystoneError("Keystone gives nothing", is_symbol_missing=False)
    return bytes(output)


def _assemble_once(text: str, origin: int) -> bytes | None:
    engine = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64)
    output: bytes | None = engine.asm(text.encode(), origin, as_bytes=True)[0]
    return output


def _assemble_again(text: str, origin: int) -> bytes | None:
    try:
        return _assemble_once(text, origin)
    except keystone.KsError as error:
        reason = _REASONS.get(error.errno) or str(error).rpartition(" (")[0]
        is_missing = error.errno == keystone.KS_ERR_ASM_SYMBOL_MISSING
        raise KeystoneError(
            f"{reason[:1].lower()}{reason[1:]}", is_symbol_missing=is_missing
        ) from error
