"""Kill `unismp run --record` at random moments and replay what is left.

benchmarks/killed_recordings.py --count 100
"""

import argparse
import itertools
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import damage

from uniSMP.replay.recording import Recording

TOO_LATE = "over before it was killed"
_LONGEST_SECONDS = 2.5


def kill_one(seed: int, path: Path) -> tuple[str, int]:
    """Kill one run at a moment of its own after the file appeared; return what is left, and steps.

    Its slices are so short that a checkpoint is written every few hundredths of a second.
    """
    rng = random.Random(seed)  # noqa: S311 - a reproducible choice
    options = ["--cores", str(rng.randint(1, 8)), "--quantum", str(rng.choice([3, 10, 50]))]
    command = [sys.executable, "-m", "uniSMP", "run", "pmm_smp", "--seed", str(seed), *options]
    with subprocess.Popen([*command, "--record", str(path)], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not path.exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, _LONGEST_SECONDS))
        process.send_signal(signal.SIGKILL)
    if process.returncode != -signal.SIGKILL:
        return TOO_LATE, 0
    found = damage.replay_unfinished(path)
    return found, Recording.open(path).steps if found == "unfinished" else 0


def main() -> None:
    """Kill as many runs as the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100)
    total, steps = Counter[str](), []
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder:
        for seed in itertools.takewhile(lambda _: len(steps) < count, itertools.count()):
            path = Path(folder) / f"{seed}.rec"
            found, reached = kill_one(seed, path)
            total[found] += 1
            if found != TOO_LATE:
                steps.append(reached)
            if found not in {"unfinished", TOO_LATE}:
                print(f"seed {seed}: {found}", flush=True)
            path.unlink(missing_ok=True)
    print(f"steps replayed: {min(steps):,} to {max(steps):,}, {sum(map(bool, steps))} times some")
    for name in sorted(total):
        print(f"{name:26} {total[name]:6}")
    sys.exit(total["unfinished"] != count)


if __name__ == "__main__":
    main()
