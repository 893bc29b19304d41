"""`unismp disasm`: the instructions of a guest, with symbols and source lines."""

import click

from uniSMP.assembler.image import Image
from uniSMP.cli.target import resolve
from uniSMP.errors import ConfigError
from uniSMP.machine.target import Target
from uniSMP.memory import multiboot
from uniSMP.trace.text import SymbolNames, disassemble


@click.command("disasm")
@click.argument("target")
@click.option("--symbol", help="Begin at this symbol.")
@click.option("--count", type=click.IntRange(min=1), help="Show so many instructions.")
@click.option("--bits", type=click.Choice(["16", "32", "64"]), help="Code width.  [default: 64]")
def command(target: str, symbol: str | None, count: int | None, bits: str | None) -> None:
    """Disassemble TARGET: the name of a guest program, an assembly source, or an image."""
    guest = resolve(target)
    pieces, symbols = _pieces(guest), guest.labels
    names = SymbolNames(symbols)
    begin = _find(symbol, symbols, guest) if symbol is not None else 0
    left = count
    for address, code in pieces:
        start = max(address, begin)
        if start >= address + len(code) or left == 0:
            continue
        rows = disassemble(code[start - address :], start, int(bits or "64"))
        shown = rows if left is None else rows[:left]
        for place, data, text in shown:
            name = names.describe(place)
            line = guest.source_line(place)
            click.echo(f"{place:016x} {name:<28} {data.hex():<24} {text:<40} {line}".rstrip())
        left = None if left is None else left - len(shown)


def _pieces(guest: Target) -> list[tuple[int, bytes]]:
    if isinstance(guest.image, Image):
        return [(guest.image.origin, guest.image.data)]
    return [(piece.address, piece.data) for piece in multiboot.parse(guest.image).segments]


def _find(symbol: str, symbols: dict[str, int], guest: Target) -> int:
    if symbol not in symbols:
        raise ConfigError(f"{guest.name} has no symbol {symbol}")
    return symbols[symbol]
