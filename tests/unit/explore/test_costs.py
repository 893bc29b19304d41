"""Costs of whole runs: these figures are what the programs did when their pieces were checked."""

from pathlib import Path

import pytest

from uniSMP.cli.protocol_tables import JudgedProtocol
from uniSMP.cli.verdicts_page import cost_table
from uniSMP.errors import AssemblyError, ConfigError
from uniSMP.explore import costs as costs_module
from uniSMP.explore.cost_counter import Costs
from uniSMP.explore.costs import count_costs, protocols

PAGE = Path(__file__).parents[3] / "docs/verdicts.md"
FIGURES = {
    ("tas", 1): Costs(1, "FINISHED", 200, 0, 61_700, 0, 200, 0, 14, 0, 0, 384, 0, 200, 200),
    ("tas", 2): Costs(
        *(2, "FINISHED", 400, 0, 148_190, 1_528, 678, 0, 41, 701, 447, 786, 547, 200, 177)
    ),
    ("delegate", 1): Costs(1, "FINISHED", 200, 0, 62_300, 0, 0, 0, 14, 0, 0, 387, 0, 200, 200),
    ("delegate", 2): Costs(
        *(2, "FINISHED", 400, 0, 190_216, 13_384, 0, 200, 242, 901, 872, 815, 1_177, 200, 163)
    ),
}


@pytest.mark.parametrize(("protocol", "cores"), FIGURES)
def test_costs_are_the_same_every_time_and_those_of_the_page(protocol: str, cores: int) -> None:
    costs = count_costs(protocol, cores)
    row = cost_table([JudgedProtocol(protocol, None, (costs,))], 0)[-1]
    section = PAGE.read_text().partition(f"### {cores} core")[2].partition("###")[0]
    assert costs == FIGURES[protocol, cores]
    assert row in section.splitlines()


def test_run_that_stands_still_ends_and_counts_what_completed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(costs_module, "STALL_INSTRUCTIONS", 100_000)
    costs = count_costs("freeze_naive", 2)
    assert (costs.outcome, costs.operations, costs.unfinished) == ("INSTRUCTION_LIMIT", 0, 2)
    assert (costs.instructions, costs.ipis, costs.longest_off_instructions) == (0, 0, 0)


def test_run_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs_module, "STALL_INSTRUCTIONS", 50_000)
    monkeypatch.setattr(costs_module, "MOST_INSTRUCTIONS", 100_000)
    costs = count_costs("ticket", 1)
    assert (costs.outcome, costs.operations, costs.unfinished) == ("INSTRUCTION_LIMIT", 21, 0)


def test_every_protocol_has_its_name() -> None:
    assert protocols() == (
        *("cli_only", "delegate", "delegate_irqoff", "freeze_naive", "freeze_ordered", "mcs"),
        *("swap_naive", "swap_return", "swap_xchg", "tas", "tas_irqon", "ticket", "ttas"),
    )


def test_protocol_that_is_none_is_refused() -> None:
    with pytest.raises(AssemblyError, match="no protocol `tsa`; there are: cli_only, "):
        count_costs("tsa", 1)


def test_number_of_cores_is_checked() -> None:
    with pytest.raises(ConfigError, match="choose 1 to 255"):
        count_costs("tas", 0)
