"""What an exploration is said to show."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "explore"))
from toy import make_plan

from uniSMP.cli.explore_report import Report
from uniSMP.explore.methods import UNFINISHED, End, Summary

TRIED, MISSED = "opaque handler: ", "opaque handler, not tried at every instruction: "


@pytest.mark.parametrize(
    ("counts", "end", "verdict"),
    [
        ({}, End.COMPLETE, "holds"),
        ({UNFINISHED: 1}, End.COMPLETE, "undecided"),
        ({}, End.INTERRUPTED, "undecided"),
        ({f"{TRIED}0x30 changes rax": 2}, End.COMPLETE, "holds"),
        ({f"{MISSED}0x30 changes rax": 2}, End.COMPLETE, "undecided"),
        (
            {f"{TRIED}0x31 reads rax": 1, f"{TRIED}0x30 x": 2, f"{MISSED}0x30 x": 1},
            End.COMPLETE,
            "undecided",
        ),
        ({f"{MISSED}0x30 changes rax": 0}, End.COMPLETE, "holds"),
    ],
)
def test_verdict(counts: dict[str, int], end: End, verdict: str) -> None:
    summary = Summary(executions=3, counts=counts, end=end)
    assert Report(make_plan(), summary, "", (), 0, 1.0, None).verdict == verdict
