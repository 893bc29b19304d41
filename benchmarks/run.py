"""Measure uniSMP beside its peers in one run; see README.md for what each entry means."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import exploring
import machine
import recording
import speed
import tracing
from entries import show

OUTPUT = Path("build/bench.json")
_PARTS = {
    "speed": speed.measure,
    "machine": machine.measure,
    "tracing": tracing.measure,
    "recording": recording.measure,
    "exploring": exploring.measure,
}


def main() -> None:
    """Measure the parts named on the command line, or all; print, write."""
    chosen = sys.argv[1:] or list(_PARTS)
    entries = [entry for name in chosen for entry in _PARTS[name]()]
    show(entries)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps([asdict(entry) for entry in entries], indent=2) + "\n")
    print(f"written to {OUTPUT}")


if __name__ == "__main__":
    main()
