"""`unismp verify`: replay a recording several times, each time in a process of its own."""

import subprocess
import sys
from pathlib import Path

import click

from uniSMP.errors import ConfigError
from uniSMP.replay.recording import Recording

_MOST_RUNS = 10_000


@click.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--runs", default=2, show_default=True, help="How many replays.")
def command(*, file: Path, runs: int) -> int:
    """Replay FILE several times in separate processes and compare with what was recorded.

    Exit status: 0 when all agree; 1 where one departs; 2 for an error of use or a damaged file.
    """
    if not 1 <= runs <= _MOST_RUNS:
        raise ConfigError(f"--runs {runs}: choose 1 to {_MOST_RUNS}")
    recording = Recording.open(file)
    for number in range(1, runs + 1):
        done = subprocess.run(  # noqa: S603 - this program
            [sys.executable, "-m", "uniSMP", "replay", "--json", str(file)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            click.echo(f"replay {number} of {runs} departs", err=True)
            click.echo(done.stderr.decode("utf-8", "replace"), err=True, nl=False)
            return 1
        click.echo(f"replay {number} of {runs}: the same", err=True)
    end = f"digest {recording.digest}" if recording.digest else "up to the last checkpoint"
    click.echo(f"{runs} of {runs} replays are the recorded run: {recording.steps:,} steps, {end}")
    return 0
