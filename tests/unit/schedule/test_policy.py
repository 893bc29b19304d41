import pytest

from uniSMP.errors import ConfigError
from uniSMP.schedule.policy import Schedule, Slice, check_quantum
from uniSMP.schedule.round_robin import RoundRobin
from uniSMP.schedule.seeded_random import SeededRandom


@pytest.mark.parametrize("quantum", [1, 100, 1 << 32])
def test_quantum_in_range_is_returned(quantum: int) -> None:
    assert check_quantum(quantum) == quantum


@pytest.mark.parametrize("quantum", [0, -1, (1 << 32) + 1])
def test_quantum_out_of_range_is_refused(quantum: int) -> None:
    with pytest.raises(ConfigError, match=f"a quantum of {quantum} instructions is out of range"):
        check_quantum(quantum)


@pytest.mark.parametrize("schedule", [RoundRobin(1), SeededRandom(0, 1)])
def test_schedule_of_each_policy_fits_the_protocol(schedule: object) -> None:
    assert isinstance(schedule, Schedule)


def test_slice_of_equal_values_is_equal() -> None:
    assert Slice(1, 20) == Slice(core_id=1, budget_instructions=20)
