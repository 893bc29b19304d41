"""The verdicts of docs/verdicts.md, as far as there is time to make them anew."""

from pathlib import Path

import pytest

from uniSMP.explore.verdicts import Budget, Verdict, verdict
from uniSMP.replay.recording import Recording
from uniSMP.replay.replayer import Replayer

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "traces" / "violations"
PAGE = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
VIOLATED = {
    "cli_only": "exclusion",
    "delegate_irqoff": "livelock",
    "freeze_naive": "livelock",
    "swap_naive": "exclusion",
    "tas_irqon": "livelock",
}
SOUND = ("delegate", "freeze_ordered", "mcs", "swap_return", "swap_xchg", "tas", "ticket", "ttas")


def row_of(name: str) -> str:
    """Return a protocol's row in the table of verdicts."""
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))


def small(folder: Path | None) -> Budget:
    """Return a budget for all schedules of two cores with at most two preemptions."""
    traces = None if folder is None else str(folder)
    return Budget(bounded_cores=(2,), trace_cores=(2,), pct_executions=0, traces=traces)


@pytest.mark.parametrize(("name", "expected"), VIOLATED.items())
def test_broken_protocol_is_broken_in_the_same_way(
    name: str, expected: str, tmp_path: Path
) -> None:
    found: Verdict = verdict(name, small(tmp_path))
    assert (found.verdict, found.property) == ("violated", expected)
    assert found.counterexample == (tmp_path / f"{name}.rec").as_posix()
    assert (tmp_path / f"{name}.rec").read_bytes() == (KEPT / f"{name}.rec").read_bytes()
    row = row_of(name)
    assert f"violated | {expected} |" in row
    assert f"| {found.executions} |" in row


@pytest.mark.parametrize("name", SOUND)
def test_sound_protocol_holds(name: str) -> None:
    found = verdict(name, small(None))
    assert (found.verdict, found.counterexample) == ("holds", None)
    assert "| holds |" in row_of(name)


@pytest.mark.parametrize("name", VIOLATED)
def test_kept_counterexample_is_minimal_and_replays(name: str) -> None:
    facts = Recording.open(KEPT / f"{name}.rec").manifest["facts"]
    assert facts["violation"]["minimal"] is True
    with Replayer(KEPT / f"{name}.rec") as replayer:
        assert replayer.run().steps >= facts["violation"]["step"]
