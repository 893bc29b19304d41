"""The story of an interrupt as lines of text, and for JSON."""

from textwrap import wrap
from typing import Any

from uniSMP.trace.interrupt_stories import InterruptStory
from uniSMP.trace.text import SymbolNames

Row = dict[str, Any]
_SPOKEN_SOURCES = frozenset({"interrupt_raised", "timer_fired"})
_HEAD_WIDTH = 47
"""Step, steps and ns since the first, core."""
_WHAT_WIDTH = 32
_NARROWEST_WHAT = 20
_DATA = ("step", "ticks", "core", "kind", "rip", "vector", "source", "mode", "targets")


def interrupt_lines(
    story: InterruptStory, names: SymbolNames, width: int | None = None
) -> list[str]:
    """Return a heading, a line per event with the steps and ns since the first, a blank line.

    Args:
        story: the interrupt.
        names: for addresses.
        width: characters of a line; a place that does not fit stands below. None is no limit.
    """
    first = story.events[0]
    lines = [(_title(story), "")]
    for row in story.events:
        place = "" if row["rip"] is None else names.describe(row["rip"])
        since = row["step"] - first["step"], row["ticks"] - first["ticks"]
        lines.append(_line(row["step"], since, row["core"], _what(row), place))
        if row["kind"] == "interrupt_delivered" and story.handler is not None:
            name = names.describe(story.handler) or f"{story.handler:#x}"
            lines.append(_line(row["step"], None, row["core"], "handler begins", name))
    if story.end_step is not None:
        core = _core_of_handler(story)
        since_steps = story.end_step - first["step"]
        lines.append(_line(story.end_step, (since_steps, None), core, "handler ended", ""))
    if story.is_pending:
        lines.append(_line(None, None, first["core"], "not delivered", ""))
    return [part for line in lines for part in _fitted(line, width)] + [""]


def _title(story: InterruptStory) -> str:
    what = story.events[-1]["kind"].replace("_", " ")
    return what if story.vector is None else f"vector {story.vector:#04x}"


def _core_of_handler(story: InterruptStory) -> int | None:
    delivered = [row["core"] for row in story.events if row["kind"] == "interrupt_delivered"]
    return delivered[-1] if delivered else None


def _what(row: Row) -> str:
    what = str(row["kind"]).replace("_", " ")
    if row["kind"] in _SPOKEN_SOURCES and row["source"]:
        what += f" by {row['source']}"
    what += f" ({row['mode']})" if row["mode"] else ""
    if row["targets"]:
        what += f" to {','.join(map(str, row['targets']))}"
    return what


def _line(
    step: int | None,
    since: tuple[int, int | None] | None,
    core: int | None,
    what: str,
    place: str,
) -> tuple[str, str]:
    """Return what happened, behind when and on which core, and where."""
    steps = "" if since is None else f"+{since[0]:,}"
    ticks = "" if since is None or since[1] is None else f"+{since[1]:,} ns"
    owner = "" if core is None else f"core {core}"
    at = "" if step is None else str(step)
    return f"{at:>11} {steps:>9} {ticks:>14}  {owner:<8} {what}", place


def _fitted(line: tuple[str, str], width: int | None) -> list[str]:
    """Return a line and its place, at its column where that fits, nearer or below where not."""
    text, place = line
    column = _HEAD_WIDTH + _WHAT_WIDTH + 1
    if width is None:
        return [f"{text:<{column}}{place}".rstrip()]
    if not place:
        return _wrapped(text, width)
    start = min(column, width - len(place))
    if start > len(text) + 1:
        return [f"{text:<{start}}{place}"]
    return [*_wrapped(text, width), f"{'':<{max(0, min(_HEAD_WIDTH + 2, start))}}{place}"]


def _wrapped(text: str, width: int) -> list[str]:
    """Return a line in pieces, the later ones below what happened."""
    room = max(width, _HEAD_WIDTH + _NARROWEST_WHAT)
    indent = " " * (_HEAD_WIDTH + 2)
    return wrap(text, room, subsequent_indent=indent, break_long_words=False)


def interrupt_data(story: InterruptStory, names: SymbolNames) -> Row:
    """Return a story as a dictionary for JSON."""
    first, last = story.events[0], story.events[-1]
    return {
        "vector": story.vector,
        "steps": last["step"] - first["step"],
        "ticks": last["ticks"] - first["ticks"],
        "handler": story.handler,
        "handler_symbol": None if story.handler is None else names.describe(story.handler),
        "handler_end": story.end_step,
        "is_pending": story.is_pending,
        "events": [
            {name: row[name] for name in _DATA if row[name] is not None} for row in story.events
        ],
    }
