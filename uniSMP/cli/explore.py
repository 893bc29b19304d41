"""`unismp explore`: run a guest under many schedules, and tell what that shows."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uniSMP.cli.explore_options import ExploreOptions, explore_options, find_method, make_plan
from uniSMP.cli.explore_progress import ExploreProgress
from uniSMP.cli.explore_report import Report, print_report, to_json
from uniSMP.cli.explore_violations import tell
from uniSMP.cli.host_limits import HostLimits
from uniSMP.cli.machine_options import MachineOptions, board_options
from uniSMP.errors import ConfigError
from uniSMP.explore.campaign import Campaign, Stop
from uniSMP.explore.job import Plan
from uniSMP.explore.methods import End, Method
from uniSMP.explore.store import Store
from uniSMP.explore.workers import OneProcess, Processes

if TYPE_CHECKING:
    from uniSMP.explore.cluster import Cluster

_INTERRUPTED = 130


@click.command("explore")
@click.argument("target")
@board_options
@explore_options
@click.option("--executions", type=int, help="Stop after so many, all runs of a campaign together.")
@click.option("--budget", type=float, help="Stop after so many seconds; not deterministic.")
@click.option("--keep-going", is_flag=True, help="Do not stop at a violation.")
@click.option("--jobs", default=1, show_default=True, help="Processes that share the work.")
@click.option("--cluster", metavar="ADDRESS", help="Let a cluster work: its scheduler's address.")
@click.option("--out", metavar="DIR", help="Keep the campaign in DIR, and go on with it there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(  # noqa: PLR0913 - one parameter per option
    *,
    target: str,
    options: MachineOptions,
    exploring: ExploreOptions,
    executions: int | None,
    budget: float | None,
    keep_going: bool,
    jobs: int,
    cluster: str | None,
    out: str | None,
    as_json: bool,
) -> int:
    """Run TARGET under many schedules, and look for one that breaks it.

    What is done depends on the plan and the seed, not on --jobs or --cluster. A campaign that was
    stopped, even killed, goes on with the same command where it was.

    Exit status: 0 when no schedule that was tried violates anything, 1 when one does, 2 for an
    error of use, 130 after Ctrl-C.
    """
    method = find_method(exploring.strategy)
    if method.is_endless and executions is None and budget is None:
        raise ConfigError(
            f"the strategy {exploring.strategy} never ends by itself: give --executions or --budget"
        )
    if out == "":
        raise ConfigError("--out: the name of the folder is empty")
    is_over = _make_budget(budget)
    with HostLimits(None) as host:
        stop = Stop(executions, keep_going, is_over, host.is_over)
        plan = make_plan(target, options, exploring)
        approach = method.make_approach(plan)
        with Store(Path(out) if out else None) as store:
            campaign = Campaign(plan, approach, store)
            done_before = store.summary().executions
            display = ExploreProgress(done_before, is_quiet=as_json)
            with _make_crew(plan, method, jobs, cluster) as crew, display:
                summary = campaign.run(crew, stop, display.show)
    statement = approach.statement(summary)
    folder = Path(out) if out else None
    told = tuple(tell(plan, summary, folder))
    report = Report(plan, summary, statement, told, done_before, display.seconds, out)
    if as_json:
        click.echo(to_json(report))
    else:
        print_report(report)
    if summary.found:
        return 1
    return _INTERRUPTED if summary.end is End.INTERRUPTED else 0


def _make_budget(seconds: float | None) -> Callable[[], bool]:
    """Return what tells whether the time is over, from now on."""
    if seconds is None:
        return lambda: False
    if not 0 < seconds < math.inf:
        raise ConfigError(f"--budget {seconds}: choose a number of seconds above 0")
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _make_crew(
    plan: Plan, method: Method, jobs: int, address: str | None
) -> "OneProcess | Processes | Cluster":
    """Return who works."""
    if address is None:
        crew = Processes(plan, method.make_worker, jobs)
        return OneProcess(plan, method.make_worker) if jobs == 1 else crew
    if jobs != 1:
        raise ConfigError("--jobs and --cluster: the cluster has its own processes")
    from uniSMP.explore.cluster import Cluster  # noqa: PLC0415 - needed with a cluster only

    return Cluster(plan, method.make_worker, address)
