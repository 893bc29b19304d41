"""The code that ran in a selection: instructions of its blocks, and the text of their sources."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uniSMP.trace.reader import Trace
from uniSMP.trace.selection import SelectedEvents
from uniSMP.trace.text import disassemble

_MOST_INSTRUCTIONS = 200_000
_MOST_SOURCE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Listing:
    """Instructions by address; where code changed, an address has several.

    Attributes:
        addresses: linear.
        codes: their bytes in hexadecimal.
        texts: as Intel writes them.
        files: places in `names` of the file, -1: not known.
        lines: of the file, from 1.
        ends: address behind each one.
        names: of files.
        notes: sentences about what is left out.
    """

    addresses: list[int]
    codes: list[str]
    texts: list[str]
    files: list[int]
    lines: list[int]
    ends: list[int]
    names: list[str]
    notes: list[str]


def make_listing(trace: Trace, selected: SelectedEvents) -> Listing:
    """Return the instructions of the blocks executed in a selection; none without executions.

    Raises:
        FormatError: the trace is damaged.
    """
    found = sorted(_instructions(trace, selected)) if trace.has("executions") else []
    notes = []
    if len(found) > _MOST_INSTRUCTIONS:
        notes.append(f"{len(found) - _MOST_INSTRUCTIONS:,} instructions are not listed.")
        found = found[:_MOST_INSTRUCTIONS]
    files: dict[str, int] = {}
    places = [_place(trace.source_line(address)) for address, _, _ in found]
    numbers = [files.setdefault(name, len(files)) if name else -1 for name, _ in places]
    return Listing(
        [address for address, _, _ in found],
        [code.hex() for _, code, _ in found],
        [text for _, _, text in found],
        numbers,
        [line for _, line in places],
        [address + len(code) for address, code, _ in found],
        list(files),
        notes,
    )


def _instructions(trace: Trace, selected: SelectedEvents) -> set[tuple[int, bytes, str]]:
    rows = trace.rows(
        "SELECT address, bits, code FROM blocks WHERE block IN (SELECT DISTINCT block "
        "FROM executions WHERE step >= $first AND step < $end)",
        {"first": selected.first_step, "end": selected.end_step},
    )
    found: set[tuple[int, bytes, str]] = set()
    for row in rows:
        found.update(disassemble(row["code"], row["address"], row["bits"]))
    return found


def _place(text: str) -> tuple[str, int]:
    """Return file and line of `file:line`; a file's name may hold colons."""
    name, _, line = text.rpartition(":")
    return (name, int(line)) if name else ("", 0)


def read_sources(names: Iterable[str], folders: Sequence[Path]) -> Mapping[str, list[str]]:
    """Return the lines of the files that lie in one of the folders.

    Nothing outside of the folders is read, whatever a trace calls its files: a page is made to be
    given away.
    """
    texts: dict[str, list[str]] = {}
    left = _MOST_SOURCE_BYTES
    for name in names:
        text = next(filter(None, (_read(folder, name, left) for folder in folders)), None)
        if text is not None:
            left -= len(text)
            texts[name] = text.splitlines()
    return texts


def _read(folder: Path, name: str, most_bytes: int) -> str | None:
    try:
        root = folder.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root) or path.stat().st_size > most_bytes:
            return None
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None
