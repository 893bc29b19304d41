"""Which line Keystone refuses: its errors name none."""

from collections.abc import Mapping, Sequence

from uniSMP.assembler.encoder import KeystoneError, encode
from uniSMP.assembler.expressions import names
from uniSMP.assembler.items import Data, Define, Item, Label, Pad, Piece
from uniSMP.assembler.symbols import symbols_in
from uniSMP.errors import AssemblyError


def find(
    items: Sequence[Item],
    origin: int,
    pads: Mapping[int, int],
    late: Mapping[str, int],
    error: KeystoneError,
) -> AssemblyError:
    """Return the error that names the first line which makes Keystone refuse `items`.

    Lines are replaced from the end by space of about their size, keeping the labels, and the
    shortest beginning that is still refused is searched by halving.
    """
    if error.is_symbol_missing and (undefined := _undefined(items, late)):
        index, name = undefined
        return items[index].where.error(f"undefined symbol `{name}`")
    good, bad, reason = 0, len(items), error.reason
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            encode(_shortened(items, middle), origin, pads, late)
        except KeystoneError as found:
            bad, reason = middle, found.reason
        else:
            good = middle
    return items[bad - 1].where.error(reason)


def _shortened(items: Sequence[Item], end: int) -> list[Item]:
    rest = [
        Piece(item.where, f".fill {item.approximate_bytes},1,0x90", None, 0)
        if isinstance(item, Piece)
        else item
        for item in items[end:]
    ]
    return [*items[:end], *rest]


def _undefined(items: Sequence[Item], late: Mapping[str, int]) -> tuple[int, str] | None:
    known = {item.name: None for item in items if isinstance(item, (Label, Define))}
    known |= dict.fromkeys(late)
    for index, item in enumerate(items):
        for name in _used_names(item):
            if name not in known:
                return index, name
    return None


def _used_names(item: Item) -> list[str]:
    match item:
        case Piece(text=text):
            return list(symbols_in(text))
        case Define(value=value) | Pad(count=value):
            return list(names(value))
        case Data(values=values):
            return [name for value in values for name in names(value)]
        case _:
            return []
