"""`unismp protocols`, with costs and verdicts that are given."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uniSMP.explore import costs as costs_module
from uniSMP.explore import verdicts as verdicts_module
from uniSMP.explore.cost_counter import Costs
from uniSMP.explore.verdicts import Budget, Verdict

Unismp = Callable[..., Any]
HOLDS = Verdict("holds", "exclusion, deadlock", "all schedules with <= 2 preemptions", 4812, None)
VIOLATED = Verdict("violated", "exclusion", "<= 1 preemption", 37, "traces/tas_irqon.rec")
TABLE = """\
protocol        verdict       property; bound; counterexample
tas             holds         exclusion, deadlock; all schedules with <= 2
                              preemptions; 4,812 executions
tas_irqon       violated      exclusion; <= 1 preemption; 37 executions;
                              traces/tas_irqon.rec
ticket          not explored

1 core
protocol         instr   wait lock IPIs intr moved upgr    IF=0  longest  fair
tas              1,234   12.3 0.50 0.00 0.10  1.75 1.12   1,786  123,456  1.14
tas_irqon            -      -    -    -    -     -    -       -        -     -
ticket           1,234   12.3 0.50 0.00 0.10  1.75 1.12   1,786  123,456  1.14
tas_irqon: stood still; 0 of 2 operations that began completed, and only these
  are counted.

2 cores
protocol         instr   wait lock IPIs intr moved upgr    IF=0  longest  fair
"""


def costs_of(name: str, cores: int) -> Costs:
    if name == "tas_irqon":
        return Costs(cores, "INSTRUCTION_LIMIT", 0, 2, *([0] * 11))
    sums = (123_400, 1_234, 50, 0, 10, 175, 112)
    return Costs(cores, "FINISHED", 100, 0, *sums, 1_786, 123_456, 200, 176)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"tas": HOLDS, "tas_irqon": VIOLATED}

    def verdict(name: str, _budget: Budget) -> Verdict | None:
        return found.get(name)

    monkeypatch.setattr(costs_module, "count_costs", costs_of)
    monkeypatch.setattr(verdicts_module, "verdict", verdict)


def chosen(*names: str) -> list[str]:
    return [argument for name in names for argument in ("--protocol", name)]


@pytest.mark.usefixtures("given")
def test_table_has_verdicts_and_then_the_costs_by_cores(unismp: Unismp) -> None:
    call = unismp("protocols", "--cores", "1,2", *chosen("ticket", "tas_irqon", "tas"))
    assert (call.status, call.err) == (0, "")
    assert call.out.startswith(TABLE)


@pytest.mark.usefixtures("given")
def test_no_line_is_longer_than_a_terminal(unismp: Unismp) -> None:
    out = unismp("protocols").out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert out.count("\ndelegate_irqoff ") == 5


@pytest.mark.usefixtures("given")
def test_json_has_verdict_and_costs(unismp: Unismp) -> None:
    call = unismp("protocols", "--cores", "2", "--json", *chosen("tas", "ticket"))
    tas, ticket = json.loads(call.out)["protocols"]
    assert {key: value for key, value in tas.items() if key != "costs"} == {
        "name": "tas",
        "verdict": "holds",
        "property": "exclusion, deadlock",
        "bound": "all schedules with <= 2 preemptions",
        "executions": 4812,
        "counterexample": None,
    }
    assert (ticket["verdict"], ticket["executions"]) == (None, None)
    assert tas["costs"] == [
        {
            "cores": 2,
            "outcome": "FINISHED",
            "operations": 100,
            "unfinished": 0,
            "instructions": 123_400,
            "waiting_instructions": 1_234,
            "locked_instructions": 50,
            "ipis": 0,
            "interrupts": 10,
            "line_transfers": 175,
            "line_upgrades": 112,
            "longest_off_instructions": 1_786,
            "longest_wait_steps": 123_456,
            "most_operations": 200,
            "fewest_operations": 176,
        }
    ]


def test_protocols_without_a_verdict_are_told_as_not_explored(
    unismp: Unismp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs_module, "count_costs", costs_of)
    monkeypatch.setattr(verdicts_module, "verdict", lambda _name, _budget: None)
    out = unismp("protocols", "--cores", "1").out
    assert out.count("not explored") == 13


@pytest.mark.usefixtures("given")
def test_page_is_written(unismp: Unismp, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    call = unismp("protocols", "--cores", "1", "--markdown", str(path))
    assert (call.status, call.out) == (0, "")
    assert path.read_text().startswith("# Verdicts\n")


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cores", "2,1"], "choose rising numbers from 1 to 32"),
        (["--cores", "1,33"], "choose rising numbers from 1 to 32"),
        (["--cores", "many"], "write numbers as in 1,2,4,8"),
        (["--jobs", "0"], "choose 1 to 256"),
        (["--protocol", "tsa"], "no protocol tsa; there are: cli_only, "),
        (["--json", "--markdown", "x"], "choose one"),
        (["--markdown", "/nowhere/x"], "/nowhere/x: No such file or directory"),
    ],
)
def test_error_of_use_is_one_line(unismp: Unismp, arguments: list[str], message: str) -> None:
    call = unismp("protocols", *arguments)
    assert (call.status, len(call.err.splitlines())) == (2, 1)
    assert message in call.err


@pytest.mark.slow
def test_processes_count_in_the_order_of_the_protocols(unismp: Unismp) -> None:
    names = chosen("tas", "delegate")
    found = json.loads(unismp("protocols", "--json", "--cores", "1", "--jobs", "2", *names).out)
    counted = [(each["name"], each["costs"][0]["instructions"]) for each in found["protocols"]]
    assert counted == [("delegate", 62_300), ("tas", 61_700)]
