import os
import sqlite3
from pathlib import Path

import pytest
import toy

from uniSMP.errors import ConfigError, FormatError
from uniSMP.explore.database import DATABASE
from uniSMP.explore.job import Job, JobResult, Limits, Payload, Plan
from uniSMP.explore.methods import Found, Summary
from uniSMP.explore.store import Store

TWO = [{"n": 0}, {"n": 1}]


def opened(folder: Path | None, plan: Plan | None = None) -> Store:
    store = Store(folder)
    store.open(plan or toy.make_plan(depth=3), lambda: TWO)
    return store


def change(folder: Path, statement: str) -> None:
    database = sqlite3.connect(folder / DATABASE)
    database.execute(statement)
    database.commit()
    database.close()


def test_jobs_are_given_out_in_order_with_their_limits() -> None:
    with opened(None) as store:
        store.begin_round([5, 3])
        assert store.unfinished() == [Job(0, {"n": 0}, 5), Job(1, {"n": 1}, 3)]


def test_merged_results_are_summed_and_united_and_give_rise_to_jobs() -> None:
    result = JobResult(
        executions=4,
        blocked=1,
        found=[{"key": ["k", 1], "summary": "s"}],
        more=[{"n": 2}],
        counts={"a": 2},
        sets={"states": [1, (1 << 64) - 1], "names": ["x"]},
    )
    with opened(None) as store:
        store.begin_round([5, 5])
        first, second = store.unfinished()
        store.keep(second, result)
        store.keep(first, result)
        store.merge_round()
        assert store.summary() == Summary(
            executions=8,
            blocked=2,
            rounds=1,
            jobs=2,
            pending=2,
            counts={"a": 4},
            distinct={"states": 2, "names": 1},
            found=(Found(0, {"key": ["k", 1], "summary": "s"}, 2),),
        )
        assert (store.members("states"), store.members("names")) == ([1, (1 << 64) - 1], ["x"])
        store.begin_round([5, 5])
        assert [job.payload for job in store.unfinished()] == [{"n": 2}, {"n": 2}]


def test_results_survive_without_a_goodbye(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.begin_round([5, 5])
        store.keep(store.unfinished()[1], JobResult(executions=2))
    with opened(tmp_path) as store:
        assert store.finished() == [(1, JobResult(executions=2, found=[], more=[]))]
        assert [job.number for job in store.unfinished()] == [0]


def test_first_payloads_are_asked_for_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def first() -> list[Payload]:
        calls.append(1)
        return [{}]

    for _ in range(2):
        with Store(tmp_path) as store:
            store.open(toy.make_plan(depth=3), first)
    assert calls == [1]


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        (toy.make_plan(depth=4), "parameters.depth"),
        (toy.make_plan(depth=3, bad=[[1]]), "parameters.bad"),
        (toy.make_plan("count", depth=3), "strategy"),
        (toy.make_plan(limits=Limits(executions=7, jobs=5), depth=3), "limits.jobs"),
    ],
)
def test_other_plan_in_the_same_folder_is_refused(plan: Plan, what: str, tmp_path: Path) -> None:
    opened(tmp_path).close()
    with (
        Store(tmp_path) as store,
        pytest.raises(ConfigError, match=rf"of another plan \(different: {what}\); choose"),
    ):
        store.open(plan, lambda: TWO)


def test_second_process_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(ConfigError, match="another process works on"):
        Store(tmp_path)


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot make the folder"):
        Store(tmp_path / "file" / "folder")


def test_folder_in_the_place_of_the_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).mkdir()
    with pytest.raises(ConfigError, match="unable to open"):
        Store(tmp_path)


def test_other_file_in_the_place_of_the_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(bytes(range(256)) * 64)
    with pytest.raises(FormatError, match="is damaged"):
        Store(tmp_path)


def test_database_of_something_else_is_refused(tmp_path: Path) -> None:
    change(tmp_path, "CREATE TABLE other (x)")
    with pytest.raises(FormatError, match="not of a campaign"):
        Store(tmp_path)


def test_other_schema_version_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    change(tmp_path, "PRAGMA user_version = 2")
    with pytest.raises(FormatError, match="has schema version 2; this uniSMP reads 1"):
        Store(tmp_path)


@pytest.mark.parametrize("size_bytes", [99, 100, 4096, 5000, 12288, 20480])
def test_truncated_database_is_refused(size_bytes: int, tmp_path: Path) -> None:
    opened(tmp_path).close()
    os.truncate(tmp_path / DATABASE, size_bytes)
    with pytest.raises(FormatError, match="is damaged"):
        Store(tmp_path)


def test_empty_file_is_a_new_campaign(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    with opened(tmp_path) as store:
        assert store.summary() == Summary(pending=2)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET payload = '{'",
        "UPDATE jobs SET payload = NULL",
        "UPDATE jobs SET payload = CAST(X'ff' AS TEXT)",
        "DROP TABLE jobs",
    ],
)
def test_damaged_jobs_are_refused(statement: str, tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.begin_round([5, 5])
    change(tmp_path, statement)
    with opened(tmp_path) as store, pytest.raises(FormatError, match="is damaged"):
        store.unfinished()


def test_damaged_plan_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    change(tmp_path, "UPDATE plan SET key = '', content = X'00'")
    with Store(tmp_path) as store, pytest.raises(FormatError, match="plan of the campaign"):
        store.open(toy.make_plan(depth=3), lambda: TWO)


def test_merge_that_fails_changes_nothing() -> None:
    with opened(None) as store:
        store.begin_round([5, 5])
        for job in store.unfinished():
            store.keep(job, JobResult(executions=1, found=[{"summary": "has no key"}]))
        with pytest.raises(KeyError):
            store.merge_round()
        assert store.summary() == Summary(pending=2, kept=2)
