"""What a campaign has done and has to do, right at every moment: a kill loses no finished job.

A job is pending, then in a round, then finished (its result is kept), and merged when all jobs of
its round are: results are merged in the order of their numbers, whatever the order they arrived in.
One transaction begins a round, one keeps a result, one merges a round.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from uniSMP.errors import ConfigError, FormatError
from uniSMP.explore.database import Database
from uniSMP.explore.differences import differences
from uniSMP.explore.job import Job, JobResult, Payload, Plan
from uniSMP.explore.methods import Found, Summary

_PENDING, _IN_ROUND, _FINISHED, _MERGED = range(4)
_EXECUTIONS, _BLOCKED, _ROUNDS, _COUNT, _DISTINCT = (
    "executions",
    "blocked",
    "rounds",
    "count:",
    "distinct:",
)
_SIGN = 1 << 63


class Store:
    """The state of one campaign.

    Args:
        folder: where it is kept; made where it is missing. None: in memory only.

    Raises:
        ConfigError: the folder cannot be written, or another process works on this campaign.
        FormatError: the database is damaged, of another schema, or no campaign.
    """

    def __init__(self, folder: Path | None) -> None:
        self._database = Database(folder)
        self.name = self._database.name

    def open(self, plan: Plan, first_payloads: Callable[[], Sequence[Payload]]) -> None:
        """Begin the campaign of a plan, or go on with it.

        Args:
            plan: what is explored.
            first_payloads: tells what to begin with; called for a new campaign only.

        Raises:
            ConfigError: another plan is kept here.
            FormatError: the database is damaged, or made by another version of uniSMP.
        """
        rows = self._database.rows("SELECT key, content FROM plan")
        if not rows:
            payloads = first_payloads()
            with self._database.transaction():
                values = (plan.key(), plan.to_bytes())
                self._database.change("INSERT INTO plan VALUES (?, ?)", values)
                self._append(payloads)
        elif rows[0][0] != plan.key():
            what = ", ".join(differences(rows[0][1], plan.to_bytes()))
            raise ConfigError(
                f"{self.name} holds a campaign of another plan (different: {what}); "
                "choose another --out, or give the same options to go on with it"
            )

    def begin_round(self, executions: Sequence[int]) -> None:
        """Put the first pending jobs into a round: as many as there are numbers of executions."""
        with self._database.transaction():
            numbers = self._database.rows(
                "SELECT number FROM jobs WHERE state = ? ORDER BY number LIMIT ?",
                (_PENDING, len(executions)),
            )
            number = self._total(_ROUNDS)
            self._database.change_many(
                "UPDATE jobs SET state = ?, round = ?, executions = ? WHERE number = ?",
                [
                    (_IN_ROUND, number, limit, row[0])
                    for row, limit in zip(numbers, executions, strict=False)
                ],
            )

    def unfinished(self) -> list[Job]:
        """Return the jobs of the round that have no result yet."""
        rows = self._database.rows(
            "SELECT number, payload, executions FROM jobs WHERE state = ? ORDER BY number",
            (_IN_ROUND,),
        )
        return [Job(number, self._decode(text), limit) for number, text, limit in rows]

    def keep(self, job: Job, result: JobResult) -> None:
        """Keep the result of a job of the round."""
        with self._database.transaction():
            self._database.change(
                "UPDATE jobs SET state = ?, result = ? WHERE number = ?",
                (_FINISHED, result.to_json(), job.number),
            )

    def finished(self) -> list[tuple[int, JobResult]]:
        """Return the results of the round that are there, in the order of their jobs' numbers."""
        rows = self._database.rows(
            "SELECT number, result FROM jobs WHERE state = ? ORDER BY number", (_FINISHED,)
        )
        return [(number, JobResult.from_json(text)) for number, text in rows]

    def merge_round(self) -> None:
        """Merge the results of the round, all of which are there."""
        results = self.finished()
        with self._database.transaction():
            for number, result in results:
                self._merge(number, result)
            self._add(_ROUNDS, 1)
            self._database.change(
                "UPDATE jobs SET state = ?, payload = NULL, result = NULL WHERE state = ?",
                (_MERGED, _FINISHED),
            )

    def summary(self) -> Summary:
        """Return what the merged rounds came to."""
        totals = dict(self._database.rows("SELECT name, value FROM totals"))
        jobs = dict(self._database.rows("SELECT state, COUNT(*) FROM jobs GROUP BY state"))
        rows = self._database.rows("SELECT job, content, times FROM found ORDER BY place")
        return Summary(
            executions=totals.get(_EXECUTIONS, 0),
            blocked=totals.get(_BLOCKED, 0),
            rounds=totals.get(_ROUNDS, 0),
            jobs=jobs.get(_MERGED, 0),
            pending=sum(jobs.values()) - jobs.get(_MERGED, 0),
            kept=jobs.get(_FINISHED, 0),
            counts=_named(totals, _COUNT),
            distinct=_named(totals, _DISTINCT),
            found=tuple(Found(job, self._decode(text), times) for job, text, times in rows),
        )

    def members(self, name: str) -> list[int | str]:
        """Return the members of a united set: numbers ascending, then texts."""
        rows = self._database.rows("SELECT value FROM members WHERE name = ?", (name,))
        values = [row[0] for row in rows]
        numbers = sorted(value % (2 * _SIGN) for value in values if isinstance(value, int))
        return [*numbers, *sorted(value for value in values if isinstance(value, str))]

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _append(self, payloads: Sequence[Payload]) -> None:
        rows = self._database.rows("SELECT COALESCE(MAX(number) + 1, 0) FROM jobs")
        self._database.change_many(
            "INSERT INTO jobs (number, state, payload) VALUES (?, ?, ?)",
            [
                (number, _PENDING, json.dumps(payload, sort_keys=True))
                for number, payload in enumerate(payloads, rows[0][0])
            ],
        )

    def _merge(self, number: int, result: JobResult) -> None:
        self._append(result.more)
        self._add(_EXECUTIONS, result.executions)
        self._add(_BLOCKED, result.blocked)
        for name, value in result.counts.items():
            self._add(_COUNT + name, value)
        for name, values in result.sets.items():
            new = self._database.change_many(
                "INSERT OR IGNORE INTO members VALUES (?, ?)",
                [(name, _signed(value)) for value in values],
            )
            self._add(_DISTINCT + name, new)
        for content in result.found:
            self._database.change(
                "INSERT INTO found VALUES (?, (SELECT COUNT(*) FROM found), ?, ?, 1) "
                "ON CONFLICT (key) DO UPDATE SET times = times + 1",
                (json.dumps(content["key"]), number, json.dumps(content)),
            )

    def _add(self, name: str, value: int) -> None:
        self._database.change(
            "INSERT INTO totals VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?",
            (name, value, value),
        )

    def _total(self, name: str) -> int:
        rows = self._database.rows("SELECT value FROM totals WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0

    def _decode(self, text: str) -> Any:  # noqa: ANN401 - whatever was encoded
        try:
            return json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise FormatError(f"{self.name} is damaged ({error}): choose another --out") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()


def _signed(value: int | str) -> int | str:
    """Return a number as SQLite holds it: from -2^63 on."""
    return value - 2 * _SIGN if isinstance(value, int) and value >= _SIGN else value


def _named(totals: dict[str, int], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): value
        for name, value in sorted(totals.items())
        if name.startswith(prefix)
    }
