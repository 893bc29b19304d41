"""Record and replay many varied runs and compare them; print what differs, and a table.

    benchmarks/replays.py --count 10000 --jobs 2 [--first SEED] [--second PYTHON]

`python tests/replaying.py SEED` runs one case alone, with more checks. Every case is replayed
whole; one in 16 is also visited out of order, and one in 40 traced, at one level after the other.
With `--second` each recording is replayed once more by another Python with another hash seed.
"""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import replaying

from uniSMP.replay.recording import Recording
from uniSMP.replay.replayer import Replayer
from uniSMP.trace.schema import Level

WALKED, TRACED = 16, 40
_MOST_SHOWN = 50


def check_seed(task: tuple[int, str]) -> tuple[str, Counter[str]]:
    """Check one case; return what differs ("" is nothing) and what the table counts."""
    seed, folder = task
    case = replaying.make_case(seed)
    walk = 8 if seed % WALKED == 1 else 0
    level = list(Level)[seed // TRACED % len(Level)] if seed % TRACED == 3 else None
    path = Path(folder) / f"{seed}.rec"
    try:
        found = replaying.check(case, path, walk=walk, level=level)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is a finding
        found = "".join(traceback.format_exception_only(error)).strip()
    counts = Counter({"recordings": 1, f"of {case.kind}": 1, "differ": int(bool(found))})
    counts.update({"walked": int(bool(walk)), "traced": int(level is not None)})
    counts[f"cores {case.config.cores}"] = counts[f"quantum {case.quantum:6}"] = 1
    if not found:
        recording = Recording.open(path)
        counts.update({"instructions": recording.steps, "rows": len(recording.rows)})
        counts.update({"bytes": path.stat().st_size, f"ended as {recording.outcome}": 1})
        counts["deliveries of interrupts"] = int((recording.rows.vector >= 0).sum())
    return f"{case}: {found}" if found else "", counts


def replay_all(folder: Path) -> Iterator[tuple[str, str]]:
    """Replay every recording of a folder; yield file name and digest."""
    for path in sorted(folder.glob("*.rec")):
        with Replayer(path) as replayer:
            yield path.name, replayer.run().digest


def compare_elsewhere(python: str, folder: Path) -> list[str]:
    """Replay the recordings of a folder with another Python; return what differs."""
    environment = {**os.environ, "PYTHONHASHSEED": "271828"}
    command = [python, str(Path(__file__)), "--replay", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    digests = json.loads(done.stdout)
    wanted = {path.name: Recording.open(path).digest for path in sorted(folder.glob("*.rec"))}
    return [f"{name} differs elsewhere" for name in wanted if digests.get(name) != wanted[name]]


def main() -> None:
    """Check the cases that the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--second", help="another Python that replays the same recordings")
    parser.add_argument("--replay", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.replay:
        print(json.dumps(dict(replay_all(Path(arguments.replay)))))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, Path(folder))


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    """Check cases in several processes, print progress and the table."""
    begin, total, different = time.monotonic(), Counter[str](), []
    seeds = range(arguments.first, arguments.first + arguments.count)
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
        tasks = ((seed, str(folder)) for seed in seeds)
        for found, counts in pool.imap_unordered(check_seed, tasks, chunksize=8):
            total.update(counts)
            if found:
                different.append(found)
                print(found, flush=True)
            if total["recordings"] % 500 == 0:
                seconds = time.monotonic() - begin
                print(f"{total['recordings']} in {seconds:.0f} s", file=sys.stderr, flush=True)
            if not arguments.second:
                for path in folder.glob("*.rec"):
                    _forget(path, total["recordings"])
    if arguments.second:
        elsewhere = compare_elsewhere(arguments.second, folder)
        print("\n".join(elsewhere[:_MOST_SHOWN]))
        total["differ elsewhere"] = len(elsewhere)
    print(f"Python {platform.python_version()}, {time.monotonic() - begin:.0f} s")
    for name in sorted(total):
        print(f"{name:28} {total[name]:14,}")
    sys.exit(bool(different) or bool(total["differ elsewhere"]))


def _forget(path: Path, done: int) -> None:
    """Remove a recording that no process is still at."""
    if done % 500 == 0 and time.time() - path.stat().st_mtime > 60:
        path.unlink()


if __name__ == "__main__":
    main()
