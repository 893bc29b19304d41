"""The result of an exploration: as JSON for programs, in lines for people."""

import json
from dataclasses import asdict, dataclass

import click

from uniSMP.cli.explore_progress import describe_sets
from uniSMP.cli.explore_violations import Told
from uniSMP.explore.job import Plan
from uniSMP.explore.methods import UNFINISHED, End, Summary
from uniSMP.explore.opaque import opaque_handlers


@dataclass(frozen=True, slots=True)
class Report:
    """What an exploration came to.

    Attributes:
        plan: what was explored.
        summary: the figures, with the reason why it ended.
        statement: what they show, by the strategy.
        told: the violations that were made plain.
        done_before: executions of earlier runs of the campaign.
        seconds: how long this run took.
        folder: where the campaign is kept, or None.
    """

    plan: Plan
    summary: Summary
    statement: str
    told: tuple[Told, ...]
    done_before: int
    seconds: float
    folder: str | None

    @property
    def verdict(self) -> str:
        """What is known: violated, holds (within the bounds of the statement), or undecided."""
        if self.summary.found:
            return "violated"
        counts = self.summary.counts
        is_undecided = self.summary.end is End.INTERRUPTED or counts.get(UNFINISHED, 0)
        is_undecided = is_undecided or not all(each.is_tried for each in opaque_handlers(counts))
        return "undecided" if is_undecided else "holds"

    @property
    def is_deterministic(self) -> bool:
        """Whether the same command ends at the same place on every machine."""
        return self.summary.end not in (End.BUDGET, End.INTERRUPTED)


def to_json(report: Report) -> str:
    """Return one JSON object."""
    summary = report.summary
    assert summary.end is not None
    return json.dumps(
        {
            "target": report.plan.target.name,
            "strategy": report.plan.strategy,
            "parameters": dict(report.plan.parameters),
            "seed": report.plan.seed,
            "plan": report.plan.key(),
            "verdict": report.verdict,
            "statement": report.statement,
            "end": summary.end.value,
            "deterministic": report.is_deterministic,
            "executions": summary.executions,
            "blocked": summary.blocked,
            "rounds": summary.rounds,
            "jobs": summary.jobs,
            "pending": summary.pending,
            "counts": dict(summary.counts),
            "opaque_handlers": [asdict(each) for each in opaque_handlers(summary.counts)],
            "distinct": dict(summary.distinct),
            "found": [
                {**found.content, "job": found.job, "times": found.times} for found in summary.found
            ],
            "counterexamples": [each.as_dict() for each in report.told],
            "seconds": round(report.seconds, 3),
        },
        indent=2,
    )


def print_report(report: Report) -> None:
    """Print the figures, the violations, the statement, and how to go on with what is left."""
    summary = report.summary
    new = summary.executions - report.done_before
    rate = f"{new / report.seconds:,.0f} a second" if report.seconds > 0 else "at once"
    click.echo(f"{summary.executions:,} executions, {new:,} of them now, {rate}")
    covered = describe_sets(summary)
    if summary.blocked:
        covered.append(f"{summary.blocked:,} given up as redundant")
    if covered:
        click.echo(", ".join(covered))
    for found in summary.found:
        times = f" (seen {found.times:,} times)" if found.times > 1 else ""
        click.echo(f"violation: {found.content['summary']}{times}")
    for told in report.told:
        click.echo("\n" + told.text.rstrip())
        if told.recording is not None:
            click.echo(f"recording: unismp replay {told.recording}")
    if report.told:
        click.echo()
    click.echo(f"{report.verdict.upper()}: {report.statement}")
    if summary.end is End.BUDGET:
        click.echo("the time was over; where that is depends on the machine")
    if summary.pending:
        click.echo(_how_to_go_on(report))


def _how_to_go_on(report: Report) -> str:
    kept = report.summary.kept
    pending = f"{report.summary.pending - kept:,} jobs are left"
    if kept:
        pending += f", {kept:,} of their round are done"
    if report.folder is None:
        return f"{pending}; --out DIR would have kept the campaign, to go on with it"
    if report.summary.end is End.VIOLATED:
        return f"{pending}; --keep-going goes on with them, from {report.folder}"
    more = {End.EXECUTIONS: " with more --executions"}.get(report.summary.end or End.COMPLETE, "")
    return f"{pending}; the same command{more} goes on with them, from {report.folder}"
