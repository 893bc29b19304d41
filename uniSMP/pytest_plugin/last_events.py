"""What each core did last, from a recording: it is replayed, and its last steps are traced."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from uniSMP.machine.tracer import TraceFilter
from uniSMP.replay.replayer import Replayer
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level
from uniSMP.trace.story import Item, Story, Wanted
from uniSMP.trace.telling import Teller
from uniSMP.trace.writer import TraceWriter

_TRACED_STEPS = 20_000
"""So many instructions of all cores, at the end of the run, are looked at."""
_MOST_LINES = 64
_FEWEST_OF_A_CORE = 2
_MOST_OF_A_CORE = 20
_LEFT_OUT = frozenset({"slice_begin", "slice_end", "mode", "code_invalidated", "access"})
_LINE_WIDTH = 118


def last_events(path: Path) -> list[str]:
    """Return a line for each of the last events of each core, oldest first.

    Args:
        path: the recording.

    Raises:
        UniSMPError: it cannot be replayed.
    """
    with TemporaryDirectory(prefix="unismp-") as folder:
        writer = TraceWriter(Path(folder) / "trace", Level.MEMORY)
        writer.begin({})
        with Replayer(path) as replayer:
            guest = replayer.recording.target
            lines = [line._replace(file=Path(line.file).name) for line in guest.lines]
            writer.add_names(guest.labels, lines)
            first = max(0, replayer.recording.steps - _TRACED_STEPS)
            replayer.run(trace=writer, trace_filter=TraceFilter(first_step=first))
            core_ids = range(replayer.machine.config.cores)
        writer.end({"cores": [{"id": core_id} for core_id in core_ids]})
        with Trace(writer.directory) as trace:
            return _tell(trace, core_ids)


def _tell(trace: Trace, core_ids: Sequence[int]) -> list[str]:
    most = min(_MOST_OF_A_CORE, max(_FEWEST_OF_A_CORE, _MOST_LINES // len(core_ids)))
    last: dict[int, deque[tuple[int, Item]]] = {each: deque(maxlen=most) for each in core_ids}
    for number, item in enumerate(Story(trace, Wanted()).items()):
        if item.core is not None and item.kind not in _LEFT_OUT:
            last[item.core].append((number, item))
    teller = Teller(trace, _LINE_WIDTH)
    told = sorted((each for queue in last.values() for each in queue), key=lambda each: each[0])
    lines = [line for _, item in told for line in teller.lines(item)]
    silent = [core_id for core_id in core_ids if not last[core_id]]
    if silent:
        names = ", ".join(map(str, silent))
        lines.append(f"nothing of core {names} in the last {_TRACED_STEPS:,} instructions")
    return lines
