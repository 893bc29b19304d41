"""What tests and benchmarks of damaged recordings share."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import replaying

from uniSMP import RunResult, UniSMPError
from uniSMP.replay.recording import Recording
from uniSMP.replay.replayer import Replayer

SEEDS = (1, 12, 40)
"""Cases whose recordings are damaged; together they have every kind of member and of item."""


def record(seed: int, path: Path) -> RunResult:
    """Record a case with many checkpoints."""
    return replaying.record(replaying.make_case(seed), path, rows=64)


def flips(size_bytes: int, count: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yield places and bits, spread over the whole file, each place drawn from its own stretch."""
    rng = random.Random(f"flips {seed}")
    for number in range(count):
        begin, end = number * size_bytes // count, (number + 1) * size_bytes // count
        yield rng.randrange(begin, max(end, begin + 1)), rng.randrange(8)


def is_clear(text: str) -> bool:
    """Return whether an error's text is one line for people."""
    return 0 < len(text) < 400 and text.isprintable()


def replay_flipped(data: bytes, place: int, bit: int, path: Path, wanted: RunResult) -> str:
    """Replay a recording with one bit flipped; return "error", "identical", or what is wrong."""
    flipped = bytearray(data)
    flipped[place] ^= 1 << bit
    path.write_bytes(flipped)
    where = f"bit {bit} of byte {place}"
    try:
        with Replayer(path) as replayer:
            result = replayer.run()
            is_complete = replayer.recording.is_complete
    except UniSMPError as error:
        text = str(error)
        return "error" if is_clear(text) else f"{where}: no clear error: {text!r}"
    except Exception as error:  # noqa: BLE001 - what must never happen
        return f"{where}: {type(error).__name__}: {error}"
    if result == wanted and is_complete:
        return "identical"
    return f"{where}: a silent difference"


def replay_unfinished(path: Path) -> str:
    """Replay what a stopped recorder left; return "error", "unfinished", and so on."""
    try:
        recording = Recording.open(path)
    except UniSMPError as error:
        return "error" if is_clear(str(error)) else f"no clear error: {error!r}"
    with Replayer(recording) as replayer:
        result = replayer.run()
    if recording.is_complete:  # cut inside the directory
        is_same = (result.outcome, result.digest) == (recording.outcome, recording.digest)
        return "identical" if is_same else "a silent difference"
    if result.steps != recording.steps or result.outcome != "HOST_TIMEOUT":
        return f"{result.steps} steps replayed of {recording.steps}, {result.outcome}"
    return "unfinished"


def wrong(found: Sequence[str]) -> list[str]:
    """Return what is not as promised."""
    return [text for text in found if text not in {"error", "identical", "unfinished"}]
