"""From items to bytes: sizes and values that need addresses are found by repeating.

Labels in `.space`, `.fill`, `.org` and in differences given by `.set` are known after a layout
only. Each round assembles with the values of the last one until nothing changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uniSMP.assembler import diagnosis
from uniSMP.assembler.encoder import Encoded, KeystoneError, encode
from uniSMP.assembler.expressions import (
    ExpressionError,
    names,
    weight,
)
from uniSMP.assembler.items import Align, Define, Item, Label, Pad
from uniSMP.assembler.lowering import MAX_IMAGE_BYTES
from uniSMP.assembler.verification import finished, value_of

_MAX_ROUNDS = 16
_FIRST_GUESS = 0x7FF0


@dataclass(frozen=True, slots=True)
class Layout:
    """The bytes, the address of each item and of the end, the value of each symbol."""

    encoded: Encoded
    values: Mapping[str, int]


def lay_out(items: Sequence[Item], origin: int, constants: Mapping[str, int]) -> Layout:
    """Assemble `items` at `origin`.

    Raises:
        AssemblyError: an item cannot be assembled; the text names its line.
    """
    late = dict.fromkeys(_late_names(items, constants), _FIRST_GUESS) | dict(constants)
    pads = {index: 0 for index, item in enumerate(items) if isinstance(item, Pad)}
    for _ in range(_MAX_ROUNDS):
        used = {index: min(max(count, 0), MAX_IMAGE_BYTES) for index, count in pads.items()}
        try:
            encoded = encode(items, origin, used, late)
        except KeystoneError as error:
            raise diagnosis.find(items, origin, used, late, error) from error
        values = _symbol_values(items, encoded, constants)
        new_late = {name: values[name] for name in late}
        new_pads = _pads(items, encoded, values)
        if new_late == late and new_pads == pads:
            return Layout(finished(items, encoded, pads, values, late), values)
        late, pads = new_late, new_pads
    changing = next(item for item in items if isinstance(item, (Pad, Define)))
    raise changing.where.error(f"sizes do not settle in {_MAX_ROUNDS} rounds")


def _late_names(items: Sequence[Item], constants: Mapping[str, int]) -> list[str]:
    """Return the symbols that are numbers, though only a layout tells which."""
    weights = dict.fromkeys(constants, 0)
    late: list[str] = []
    for define in _in_order_of_use(items):
        try:
            weights[define.name] = weight(define.value, weights)
        except ExpressionError as error:
            raise define.where.error(str(error)) from error
        if weights[define.name] == 0:
            late.append(define.name)
        elif weights[define.name] != 1:
            raise define.where.error("neither a number nor an address")
    return late


def _in_order_of_use(items: Sequence[Item]) -> list[Define]:
    """Return the definitions so that each comes after those it uses."""
    waiting = {item.name: item for item in items if isinstance(item, Define)}
    ordered: list[Define] = []
    while waiting:
        ready = [
            item
            for item in waiting.values()
            if not any(name in waiting for name in names(item.value))
        ]
        if not ready:
            first = next(iter(waiting.values()))
            raise first.where.error(f"symbol `{first.name}` is defined by itself")
        ordered += ready
        for item in ready:
            del waiting[item.name]
    return ordered


def _symbol_values(
    items: Sequence[Item], encoded: Encoded, constants: Mapping[str, int]
) -> dict[str, int]:
    values = dict(constants)
    for item, address in zip(items, encoded.addresses, strict=False):
        if isinstance(item, Label):
            values[item.name] = address
    for define in _in_order_of_use(items):
        values[define.name] = value_of(define, define.value, values)
    return values


def _pads(items: Sequence[Item], encoded: Encoded, values: Mapping[str, int]) -> dict[int, int]:
    """Return the counts of spaces, each found with those before it as they will be."""
    moved, pads = dict(values), {}
    address = encoded.addresses[0]
    for index, item in enumerate(items):
        size = encoded.addresses[index + 1] - encoded.addresses[index]
        match item:
            case Label(name=name):
                moved[name] = address
            case Align(boundary=boundary):
                size = -address % boundary
            case Pad(count=count, unit=unit, is_target=is_target):
                pads[index] = value_of(item, count, moved) - (address if is_target else 0)
                size = max(pads[index], 0) * len(unit)
            case _:
                pass
        address += size
    return pads
