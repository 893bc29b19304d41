"""An account as text of at most 100 columns."""

import textwrap
from collections.abc import Iterator, Sequence

from uniSMP.explore.account import Account, Part
from uniSMP.explore.schedule import NMI
from uniSMP.explore.standing import Standing, Word
from uniSMP.explore.telling import Line, number

COLUMNS = 100
_SOURCE_COLUMNS = 26
_TEXT_COLUMNS = 30
_INDENT = " " * 8


def as_text(account: Account) -> str:
    """Return an account as lines, each ended by a newline."""
    lines: list[str] = [*_head(account)]
    for index, part in enumerate(account.parts, 1):
        lines += ["", *_part(index, part, account.scene_step)]
    lines += ["", *_end(account)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False)


def _count(count: int, noun: str) -> str:
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{ending}"


def _vector(vector: int) -> str:
    return "the NMI" if vector == NMI else f"interrupt {vector:#x}"


def _head(account: Account) -> Iterator[str]:
    violation = account.violation
    yield from _wrapped(f"{account.target}: {violation.check}: {violation.summary}")
    minimal = "no switch can be dropped" if account.is_minimal else "not known to be minimal"
    steps = sum(part.instructions for part in account.parts)
    yield from _wrapped(
        f"{_count(len(account.parts), 'slice')}, {_count(account.switches, 'switch')} ({minimal}), "
        f"{_count(account.deliveries, 'interrupt')} accepted, "
        f"{_count(steps, 'instruction')} from step {account.scene_step:,} on"
    )


def _part(index: int, part: Part, scene_step: int) -> Iterator[str]:
    first = scene_step + part.first_step
    accepts = "" if part.accepts is None else f"accepts {_vector(part.accepts)} and "
    runs = f"runs {_count(part.instructions, 'instruction')}" if part.instructions else "stops"
    held = "" if part.holds_back is None else f"; {_vector(part.holds_back)} is held back"
    yield from _wrapped(f"{index}. core {part.core} {accepts}{runs}, from step {first:,}{held}")
    function = ""
    for line in part.lines:
        if line.skipped:
            yield f"{_INDENT}... {_count(line.skipped, 'instruction')}"
        name = line.place.partition("+")[0]
        if name != function:
            yield f"    {name[: COLUMNS - 5]}:"
            function = name
        yield from _line(line)
    if part.skipped:
        yield f"{_INDENT}... {_count(part.skipped, 'instruction')}"


def _line(line: Line) -> Iterator[str]:
    """Yield an instruction; what it did stands behind it, or below where there is no room."""
    source = line.source or f"{line.rip:#x}"
    if len(source) > _SOURCE_COLUMNS:
        source = f"..{source[2 - _SOURCE_COLUMNS :]}"
    start = f"{line.step:7}  {source:{_SOURCE_COLUMNS}} "
    notes = "; ".join(line.notes)
    whole = f"{start}{line.text:{_TEXT_COLUMNS}}  ; {notes}" if notes else f"{start}{line.text}"
    if len(whole) <= COLUMNS:
        yield whole
        return
    yield f"{start}{line.text}"[:COLUMNS]
    yield from textwrap.wrap(
        f"; {notes}",
        COLUMNS,
        initial_indent=" " * len(start),
        subsequent_indent=" " * (len(start) + 2),
    )


def _end(account: Account) -> Iterator[str]:
    yield from _wrapped("In the end" + (f": {account.ending}" if account.ending else ""))
    for core in account.cores:
        yield from _standing(core)


def _standing(core: Standing) -> Iterator[str]:
    where = f"{core.place} ({core.source})" if core.source else core.place
    flag = f"IF={int(core.interrupts_enabled)}"
    pending = "" if core.pending is None else f", {_vector(core.pending)} is pending"
    yield from _wrapped(f"  core {core.core} {core.state} at {where}, {flag}{pending}", "    ")
    if core.state != "rests":
        yield f"    next: {core.text}"[:COLUMNS]
    yield from _waits(core.waits)


def _waits(words: Sequence[Word]) -> Iterator[str]:
    for word in words:
        alone = "" if word.is_shared else ", which no other core has accessed"
        yield from _wrapped(
            f"    waits for {word.name} ({word.size} bytes at {word.physical:#x}) "
            f"to be other than {number(word.value)}{alone}",
            "      ",
        )
