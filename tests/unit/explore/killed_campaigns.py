"""Kills a campaign at every third statement to its database, and lets it go on each time.

python killed_campaigns.py FOLDER

Prints a JSON object: `places`, how many were tried, and `wrong`, a row for each place at which
a job was lost or done twice, or the result differs from that of a campaign that was left alone.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import toy

from uniSMP.explore.campaign import Campaign, Stop
from uniSMP.explore.database import DATABASE
from uniSMP.explore.store import Store
from uniSMP.explore.workers import OneProcess

_connect = sqlite3.connect
_STRIDE = 3


def run(folder: Path, log: Path) -> str:
    """Run the campaign in `folder` to its end; return what it came to."""
    plan = toy.make_plan(depth=6, bad=[[0] * 6], log=str(log))
    with Store(folder) as store:
        campaign = Campaign(plan, toy.Approach(plan), store)
        summary = campaign.run(OneProcess(plan, toy.Worker), Stop(keep_going=True))
        return repr((summary, store.members(toy.STATES)))


def watch(tick: Callable[[str], None]) -> None:
    """Call `tick` before each statement to a database."""

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = _connect(*arguments, **options)
        connection.set_trace_callback(tick)
        return connection

    sqlite3.connect = connect  # type: ignore[assignment]


def in_child(work: Callable[[], object]) -> int:
    """Do something in a process of its own; return how that ended."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def run_killed(folder: Path, log: Path, place: int) -> None:
    """Run the campaign until the statement with this number, counted from 1, is due."""
    count = 0

    def tick(_statement: str) -> None:
        nonlocal count
        count += 1
        if count == place:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(tick)
    run(folder, log)


def finished(folder: Path, copy: Path) -> set[int]:
    """Return the numbers of the jobs whose results are kept, without touching the database."""
    shutil.copytree(folder, copy)
    database = _connect(copy / DATABASE)
    try:
        rows = database.execute("SELECT number FROM jobs WHERE state >= 2").fetchall()
    except sqlite3.OperationalError:
        rows = []  # no table yet
    database.close()
    return {row[0] for row in rows}


def numbers(log: Path) -> list[int]:
    """Return which jobs were run, in their order."""
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def try_place(folder: Path, place: int, expected: str, jobs: set[int]) -> list[Any]:
    """Return what went wrong when the campaign was killed at a place."""
    folder.mkdir()
    log, out = folder / "log", folder / "out"
    status = in_child(lambda: run_killed(out, log, place))
    kept = finished(out, folder / "copy") if out.exists() else set()
    before = numbers(log)
    result = run(out, log)
    again = sorted(kept & set(numbers(log)[len(before) :]))
    lost = sorted(jobs - set(numbers(log)))
    wrong = [again, lost, result == expected, os.WTERMSIG(status)]
    shutil.rmtree(folder)
    return [] if wrong == [[], [], True, signal.SIGKILL] else [place, *wrong]


def main(folder: str) -> None:
    """Try every place."""
    root = Path(folder)
    log = root / "log"  # a part of the plan, but not of what it comes to
    count = 0

    def tick(_statement: str) -> None:
        nonlocal count
        count += 1

    watch(tick)
    expected = run(root / "undisturbed", log)
    sqlite3.connect = _connect
    jobs = set(numbers(log))
    places = range(1, count + 1, _STRIDE)
    rows = [try_place(root / str(k), k, expected, jobs) for k in places]
    wrong = [row for row in rows if row]
    print(json.dumps({"places": len(places), "jobs": len(jobs), "wrong": wrong}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
