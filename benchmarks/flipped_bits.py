"""Flip single bits of recordings and replay them; print what is neither an error nor identical.

benchmarks/flipped_bits.py --count 5000
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import damage


def main() -> None:
    """Flip as many bits as the command line asks for, spread over three recordings."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=5000)
    count = parser.parse_args().count
    begin, total = time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        whole, flipped = Path(folder) / "whole.rec", Path(folder) / "flipped.rec"
        for number, seed in enumerate(damage.SEEDS):
            result = damage.record(seed, whole)
            data = whole.read_bytes()
            share = (count + number) // len(damage.SEEDS)
            for place, bit in damage.flips(len(data), share, seed + 1000):
                found = damage.replay_flipped(data, place, bit, flipped, result)
                total[found if found in {"error", "identical"} else "WRONG"] += 1
                if damage.wrong([found]):
                    print(f"seed {seed}: {found}", flush=True)
            print(f"seed {seed}, {len(data)} bytes: {dict(total)}", file=sys.stderr, flush=True)
    print(f"{total.total()} bits in {time.monotonic() - begin:.0f} s")
    for name in sorted(total):
        print(f"{name:12} {total[name]:6}")
    sys.exit(bool(total["WRONG"]))


if __name__ == "__main__":
    main()
