"""The violations of an exploration: each made plain, told, and kept where a folder is given."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uniSMP.explore.account import Account, give_account
from uniSMP.explore.account_text import as_text
from uniSMP.explore.counterexample import find_counterexample, keep_counterexample
from uniSMP.explore.job import Plan
from uniSMP.explore.methods import Summary
from uniSMP.explore.workshop import workshop

MOST_TOLD = 4
"""So many different violations are told; of more, only the summary."""


@dataclass(frozen=True, slots=True)
class Told:
    """A violation as it is told.

    Attributes:
        account: what happens.
        recording: where it is kept, or None.
    """

    account: Account
    recording: Path | None

    @property
    def text(self) -> str:
        """The account for people."""
        return as_text(self.account)

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able."""
        recording = None if self.recording is None else str(self.recording)
        return {"recording": recording, "account": self.account.as_dict()}


def tell(plan: Plan, summary: Summary, folder: Path | None) -> Iterator[Told]:
    """Yield the violations, the first ones of a campaign first.

    Args:
        plan: what was explored.
        summary: what it came to.
        folder: where recordings and accounts are kept; None: nowhere.

    Raises:
        ConfigError: a file cannot be written.
    """
    for number, found in enumerate(summary.found[:MOST_TOLD], 1):
        path = None if folder is None else folder / f"violation-{number}.rec"
        if path is None:
            shown = find_counterexample(plan, found.content)
        else:
            shown = keep_counterexample(plan, found.content, path)
        account = give_account(workshop(plan).performer, plan.target, shown)
        if path is not None:
            path.with_suffix(".txt").write_text(as_text(account), encoding="utf-8")
        yield Told(account, path)
