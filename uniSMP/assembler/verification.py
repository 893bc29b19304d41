"""What came out is what was asked for: Keystone drops lines and cuts off numbers in silence.

Numbers of data directives are put in here, where every address is known.
"""

from collections.abc import Mapping, Sequence

from uniSMP.assembler import dialect
from uniSMP.assembler.encoder import Encoded
from uniSMP.assembler.expressions import (
    Expression,
    ExpressionError,
    UndefinedNameError,
    evaluate,
    names,
)
from uniSMP.assembler.items import Align, Data, Item, Pad, Piece
from uniSMP.assembler.lowering import check_count, check_range
from uniSMP.assembler.symbols import substitute, symbols_in


def finished(
    items: Sequence[Item],
    encoded: Encoded,
    pads: Mapping[int, int],
    values: Mapping[str, int],
    late: Mapping[str, int],
) -> Encoded:
    """Return `encoded` with the numbers of data put in.

    Args:
        items: what was assembled.
        encoded: what Keystone gave.
        pads: the count of each space, by its index.
        values: values of all symbols.
        late: those of them that Keystone was given as numbers.

    Raises:
        AssemblyError: an item did not give what it must.
    """
    data = bytearray(encoded.data)
    origin = encoded.addresses[0]
    for index, item in enumerate(items):
        start, end = (encoded.addresses[index + side] - origin for side in (0, 1))
        try:
            match item:
                case Data():
                    data[start:end] = _numbers(item, values)
                case Piece():
                    code = bytes(data[start:end])
                    _check_piece(item, code, late)
                    _check_branch(item, origin + end, code, values)
                case Pad(unit=unit):
                    check_count(pads[index], len(unit))
                case Align(boundary=boundary):
                    assert (origin + end) % boundary == 0, item
                case _:
                    pass
        except ExpressionError as error:
            raise item.where.error(str(error)) from error
    return Encoded(bytes(data), encoded.addresses)


def value_of(item: Item, tree: Expression, values: Mapping[str, int]) -> int:
    """Return the value of `tree`, an expression of `item`.

    Raises:
        AssemblyError: it has none; the text names the symbol that is missing.
    """
    try:
        return evaluate(tree, values)
    except UndefinedNameError as error:
        missing = next(name for name in names(tree) if name not in values)
        raise item.where.error(f"undefined symbol `{missing}`") from error
    except ExpressionError as error:
        raise item.where.error(str(error)) from error


def _numbers(item: Data, values: Mapping[str, int]) -> bytes:
    result = bytearray()
    for tree in item.values:
        value = value_of(item, tree, values)
        check_range(value, item.width)
        result += (value & ((1 << (8 * item.width)) - 1)).to_bytes(item.width, "little")
    return bytes(result)


def _check_piece(item: Piece, code: bytes, late: Mapping[str, int]) -> None:
    if not code:
        raise ExpressionError("Keystone takes this for nothing")
    if item.size_bytes not in {None, len(code)}:
        raise ExpressionError(f"takes {len(code)} bytes instead of {item.size_bytes}")
    if any(name in late for name in symbols_in(item.text)):
        dialect.check_translated(substitute(item.text, late))


def _check_branch(item: Piece, end: int, code: bytes, values: Mapping[str, int]) -> None:
    """Check the target of a branch with a distance of one byte, which Keystone cuts off."""
    name, _, target = item.text.partition(" ")
    if name in dialect.SHORT_BRANCHES:
        used = symbols_in(target)
        address = values[used[0]] if used else int(target)
        distance = int.from_bytes(code[-1:], "little", signed=True)
        if (end + distance - address) % (1 << 64):
            raise ExpressionError("the target is further away than 128 bytes")
