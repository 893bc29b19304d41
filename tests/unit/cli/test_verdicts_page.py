"""The page of verdicts: what depends on results follows them."""

from dataclasses import replace
from pathlib import Path

import pytest

from uniSMP.cli.article_claims import (
    READINGS,
    tell_deadlock_freedom,
    tell_memory_manager,
    tell_spinning,
)
from uniSMP.cli.protocol_tables import COLUMNS, JudgedProtocol, cell
from uniSMP.cli.verdicts_page import make_page
from uniSMP.explore.cost_counter import Costs
from uniSMP.explore.verdicts import Verdict

COSTS = Costs(4, "FINISHED", 100, 0, 40_000, 1_000, 100, 0, 10, 500, 20, 900, 700, 50, 40)
STUCK = replace(COSTS, outcome="INSTRUCTION_LIMIT", operations=3, unfinished=2)
VIOLATED = Verdict("violated", "exclusion", "<= 1 preemption", 37, "traces/cli_only.rec")
HOLDS = Verdict("holds", "exclusion, deadlock", "<= 2 preemptions", 4812, None)


def judge(name: str, verdict: Verdict | None = None, costs: Costs = COSTS) -> JudgedProtocol:
    return JudgedProtocol(name, verdict, (costs,))


def with_verdict(found: Verdict | None, *others: JudgedProtocol) -> list[JudgedProtocol]:
    """Return all readings with one verdict, except those that are given."""
    given = {each.name: each for each in others}
    return [given.get(name, judge(name, found)) for name in READINGS]


@pytest.mark.parametrize(
    ("judged", "conclusion"),
    [
        (with_verdict(None), "As long as readings are not explored, there is no conclusion"),
        (with_verdict(HOLDS, judge("delegate")), "As long as readings are not explored"),
        (with_verdict(VIOLATED), "No reading keeps the claim."),
        (with_verdict(HOLDS), "No reading was refuted. A bound is no proof."),
        (with_verdict(HOLDS, judge("cli_only", VIOLATED)), "not one of the idea but of the proto"),
    ],
)
def test_conclusion_follows_the_verdicts(judged: list[JudgedProtocol], conclusion: str) -> None:
    assert conclusion in tell_deadlock_freedom(judged)[-1]


def test_claim_names_what_was_refuted_held_and_not_explored() -> None:
    judged = [judge("cli_only", VIOLATED), judge("delegate", HOLDS), judge("swap_xchg")]
    assert tell_deadlock_freedom([*judged, judge("tas", VIOLATED)])[:3] == [
        "Refuted, by a recording that replays, for 1 of 3 readings: `cli_only` (exclusion).",
        "Not refuted within the bound for 1: `delegate` (<= 2 preemptions).",
        "Not explored, so nothing is said of: `swap_xchg`.",
    ]


def test_spin_locks_are_compared_with_readings_that_finished_and_are_not_violated() -> None:
    few = replace(COSTS, waiting_instructions=50, line_transfers=900)
    judged = [
        judge("tas"),
        judge("mcs", None, replace(COSTS, waiting_instructions=800)),
        judge("delegate", HOLDS, few),
        judge("swap_xchg", None, replace(COSTS, waiting_instructions=2_000)),
        judge("swap_naive", VIOLATED, replace(COSTS, waiting_instructions=0)),
        judge("freeze_naive", None, STUCK),
    ]
    head, waiting, moved, _, doubt = tell_spinning(judged)
    assert head.startswith("With 4 cores, over the runs that finished")
    assert waiting == (
        "- waiting instructions for each operation: spin locks 8.0 (`mcs`) to 10.0 (`tas`); "
        "readings 0.5 (`delegate`) to 20.0 (`swap_xchg`); fewer than every spin lock: `delegate`."
    )
    assert moved.endswith("fewer than every spin lock: none of the readings.")
    assert doubt == "Compared though not explored, so perhaps not exclusive: `swap_xchg`."


def test_without_runs_of_both_kinds_there_is_nothing_to_compare() -> None:
    assert tell_spinning([judge("tas")]) == [
        "There is nothing to compare: no run of one of the two kinds finished."
    ]


def test_memory_manager_is_told_from_the_outcomes() -> None:
    passing = tell_memory_manager([judge("tas"), judge("cli_only", None, STUCK)])[0]
    assert passing.startswith("1 of 2 runs ended")
    assert "With every number of cores counted here: `tas`." in passing


def test_page_links_the_counterexample_and_names_what_did_not_finish() -> None:
    page = make_page([judge("cli_only", VIOLATED, STUCK), judge("tas", HOLDS), judge("ticket")])
    lines = page.splitlines()
    assert (
        "| `cli_only` | violated | exclusion | <= 1 preemption | 37 "
        "| [cli_only.rec](../traces/cli_only.rec) |"
    ) in lines
    assert "| `ticket` | not explored | | | | |" in lines
    assert "### 4 cores" in lines
    assert (
        "- cli_only: stood still; 3 of 5 operations that began completed, and only these are "
        "counted."
    ) in lines


def test_page_explains_every_column() -> None:
    page = make_page([judge("tas", None), judge("delegate", None)], Path())
    assert all(f"| {column.title} | {column.meaning} |" in page for column in COLUMNS)


def test_core_without_an_operation_has_no_fairness() -> None:
    starved = replace(COSTS, fewest_operations=0)
    assert cell(COLUMNS[-1], starved) == "none"
