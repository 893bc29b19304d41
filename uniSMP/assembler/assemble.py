"""Assemble a source text or file to an image.

Intel syntax with the directives of GNU as; `lowering` and `expander` list them, `expressions` the
operators, `dialect` the spellings of instructions. A label as an operand without brackets is its
address, as in NASM. Comments begin with `;`, `#` or `//`.
"""

from collections.abc import Sequence
from pathlib import Path

from uniSMP.assembler.conditions import Conditions
from uniSMP.assembler.expander import Expander
from uniSMP.assembler.image import Image, Line
from uniSMP.assembler.includes import Includes
from uniSMP.assembler.items import Item, Label
from uniSMP.assembler.layout import Layout, lay_out
from uniSMP.assembler.lowering import Lowering
from uniSMP.assembler.source import SourceLine, split_lines
from uniSMP.errors import AssemblyError

DEFAULT_ORIGIN = 0x100000
_ENTRY = "_start"
_ADDRESS_LIMIT = 1 << 64


def assemble(
    source: str,
    *,
    origin: int = DEFAULT_ORIGIN,
    include_paths: Sequence[Path] = (),
    name: str = "<source>",
) -> Image:
    """Assemble the text `source`, called `name` in messages and in the line table.

    Args:
        source: the text.
        origin: address of the first byte.
        include_paths: folders searched for `.include` and `.incbin` before the guest library.
        name: what the text is called.

    Raises:
        AssemblyError: it cannot be assembled; the text names file, line and reason.
    """
    includes = Includes(include_paths)
    return _assemble(split_lines(source, name), includes, origin, name)


def assemble_file(
    path: Path, *, origin: int = DEFAULT_ORIGIN, include_paths: Sequence[Path] = ()
) -> Image:
    """Assemble the file at `path`; see `assemble`.

    Raises:
        AssemblyError: it cannot be read or assembled.
    """
    includes = Includes(include_paths)
    return _assemble(includes.open_file(path), includes, origin, str(path))


def _assemble(lines: Sequence[SourceLine], includes: Includes, origin: int, name: str) -> Image:
    if not 0 <= origin < _ADDRESS_LIMIT:
        raise AssemblyError(f"{name}: origin {origin:#x} is not an address of 64 bits")
    lowering = Lowering(includes)
    conditions = Conditions(lowering.constants, lowering.places)
    for statement in Expander(includes, conditions).expand(lines):
        lowering.add(statement)
    lowering.finish()
    layout = lay_out(lowering.items, origin, lowering.constants)
    if not layout.encoded.data:
        raise AssemblyError(f"{name}: nothing to assemble")
    return _image(lowering, layout, origin)


def _image(lowering: Lowering, layout: Layout, origin: int) -> Image:
    symbols = {name: layout.values[name] for name in lowering.places if not name.startswith(".L")}
    labels = [item.name for item in lowering.items if isinstance(item, Label) and not item.is_local]
    return Image(
        data=layout.encoded.data,
        origin=origin,
        symbols=symbols,
        lines=_line_table(lowering.items, layout.encoded.addresses),
        entry=symbols.get(_ENTRY, origin),
        labels=tuple(sorted(labels, key=lambda name: symbols[name])),
    )


def _line_table(items: Sequence[Item], addresses: Sequence[int]) -> tuple[Line, ...]:
    rows: list[Line] = []
    for index, item in enumerate(items):
        if addresses[index + 1] > addresses[index]:
            row = Line(addresses[index], item.where.file, item.where.line)
            if not rows or (rows[-1].file, rows[-1].line) != (row.file, row.line):
                rows.append(row)
    return tuple(rows)
