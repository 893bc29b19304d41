"""From items to bytes: sizes and values that need addresses are found by repeating.

Labels in `.space`, `.fill`, `.org` and in differences given by `.set` are known after a layout
only. Each round assembles with the values of the last one until nothing changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uniSMP.assembler import diagnosis, dialect
from uniSMP.assembler.encoder import Encoded, KeystoneError, encode
from uniSMP.assembler.expressions import (
    Expression,
    ExpressionError,
    UndefinedNameError,
    evaluate,
    names,
    weight,
)
from uniSMP.assembler.items import Align, Define, Item, Label, Pad, Piece
from uniSMP.assembler.lowering import MAX_IMAGE_BYTES, check_count
from uniSMP.assembler.symbols import substitute, symbols_in

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
        new_pads = {index: _pad(items[index], encoded.addresses[index], values) for index in pads}
        if new_late == late and new_pads == pads:
            _verify(items, encoded, pads, late)
            return Layout(encoded, values)
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
        values[define.name] = _value(define, define.value, values)
    return values


def _pad(item: Item, address: int, values: Mapping[str, int]) -> int:
    assert isinstance(item, Pad)
    return _value(item, item.count, values) - (address if item.is_target else 0)


def _value(item: Item, tree: Expression, values: Mapping[str, int]) -> int:
    try:
        return evaluate(tree, values)
    except UndefinedNameError as error:
        missing = next(name for name in names(tree) if name not in values)
        raise item.where.error(f"undefined symbol `{missing}`") from error
    except ExpressionError as error:
        raise item.where.error(str(error)) from error


def _verify(
    items: Sequence[Item], encoded: Encoded, pads: Mapping[int, int], late: Mapping[str, int]
) -> None:
    """Check that each item gave what it must, since Keystone may drop a line in silence."""
    for index, item in enumerate(items):
        size = encoded.addresses[index + 1] - encoded.addresses[index]
        try:
            _check_item(item, size, pads.get(index, 0), late)
        except ExpressionError as error:
            raise item.where.error(str(error)) from error
        if isinstance(item, Align) and encoded.addresses[index + 1] % item.boundary:
            raise item.where.error("origin is not a multiple of the alignment")


def _check_item(item: Item, size: int, pad: int, late: Mapping[str, int]) -> None:
    match item:
        case Piece(size_bytes=None, text=text):
            if size <= 0:
                raise ExpressionError("Keystone takes this for nothing")
            if any(name in late for name in symbols_in(text)):
                dialect.check_translated(substitute(text, late))
        case Piece(size_bytes=expected) if expected != size:
            raise ExpressionError(f"takes {size} bytes instead of {expected}")
        case Pad(unit=unit):
            check_count(pad, len(unit))
            assert size == pad * len(unit), "a space has the size it was given"
        case _:
            pass
