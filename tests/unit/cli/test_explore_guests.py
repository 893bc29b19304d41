"""`unismp explore` on guests of the library: what is found is told, kept, and replays."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Unismp = Callable[..., Any]


def test_protocol_that_holds_is_said_to_hold(unismp: Unismp) -> None:
    result = unismp("explore", "pair_ticket", "--cores", "2", "--strategy", "dpor")
    assert result.status == 0
    assert result.out.splitlines()[-1] == (
        "HOLDS: all schedules, one of each Mazurkiewicz trace: 4 executions (and 2 cut short), "
        "none violates anything that was checked"
    )


def test_violation_is_told_and_its_recording_replays(unismp: Unismp, tmp_path: Path) -> None:
    found = unismp(
        "explore",
        *("pair_swap_naive", "--cores", "2", "--strategy", "bounded", "--preemptions", "2"),
        *("--exclusive", "pmm_enter..pmm_exit", "--out", str(tmp_path), "--json"),
    )
    assert found.status == 1
    facts = json.loads(found.out)
    assert facts["verdict"] == "violated"
    (told,) = facts["counterexamples"]
    assert told["account"]["violation"]["check"] == "exclusion"
    assert told["account"]["switches"] == 2
    assert told["account"]["is_minimal"] is True
    assert told["recording"] == str(tmp_path / "violation-1.rec")
    assert "harness/pair.asm:104" in (tmp_path / "violation-1.txt").read_text()
    assert unismp("replay", told["recording"]).status == 0


@pytest.mark.parametrize("strategy", ["dpor", "bounded", "pct", "random"])
def test_window_of_one_instruction_is_found(unismp: Unismp, strategy: str) -> None:
    result = unismp(
        "explore",
        *("window_arrival", "--cores", "2", "--strategy", strategy, "--json"),
        *(("--executions", "200") if strategy in {"pct", "random"} else ()),
    )
    (told,) = json.loads(result.out)["counterexamples"]
    account = told["account"]
    assert account["violation"]["check"] == "failure"
    assert account["deliveries"] == 1
    accepted = [part for part in account["parts"] if part["accepts"] is not None]
    assert [part["first_step"] for part in accepted] == [3416]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--strategy", "luck"), "no strategy is called luck: choose one of bounded, dpor, pct"),
        (("--strategy", "dpor", "--check", "taste"), "no check is called taste: choose one of"),
        (("--strategy", "dpor", "--exclusive", "a"), "write ENTER..EXIT"),
        (("--strategy", "dpor", "--from", "nowhere"), "--from nowhere: pair_ticket has no such"),
        (("--strategy", "bounded", "--preemptions", "65"), "--preemptions 65: choose 0 to 64"),
    ],
)
def test_bad_input_gets_one_clear_line(
    unismp: Unismp, arguments: tuple[str, ...], message: str
) -> None:
    result = unismp("explore", "pair_ticket", "--cores", "2", *arguments)
    assert result.status == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
