import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import toy

from uniSMP.explore.campaign import Campaign, Stop
from uniSMP.explore.job import Job, JobResult
from uniSMP.explore.store import Store
from uniSMP.explore.workers import OneProcess, Processes

HERE = Path(__file__).parent


def test_campaign_killed_anywhere_loses_and_repeats_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, HERE / "killed_campaigns.py", tmp_path],
        capture_output=True,
        check=True,
        timeout=300,
    )
    told = json.loads(done.stdout)
    assert (told["jobs"], told["places"] > 40, told["wrong"]) == (6, True, [])


def run_killed_with_processes(folder: str) -> None:
    """Share the work with two processes, and die without a word when five jobs are done."""
    plan = toy.make_plan("count", end=100)
    keep = Store.keep
    kept: list[int] = []

    def keep_and_die(store: Store, job: Job, result: JobResult) -> None:
        keep(store, job, result)
        kept.append(job.number)
        if len(kept) == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    Store.keep = keep_and_die  # type: ignore[method-assign]
    with Store(Path(folder)) as store, Processes(plan, toy.Worker, 2) as crew:
        Campaign(plan, toy.Approach(plan), store).run(crew, Stop())


def test_processes_end_with_the_one_that_hands_out_jobs(tmp_path: Path) -> None:
    # The pipes of its output close only when the last of them is gone.
    done = subprocess.run(
        [sys.executable, __file__, tmp_path], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, b"")
    plan = toy.make_plan("count", end=100)
    with Store(tmp_path) as store:
        campaign = Campaign(plan, toy.Approach(plan), store)
        left = store.unfinished()
        summary = campaign.run(OneProcess(plan, toy.Worker), Stop())
    assert len(left) == 3
    assert (summary.executions, summary.counts) == (100, {"sum": 4950})


if __name__ == "__main__":
    run_killed_with_processes(sys.argv[1])
