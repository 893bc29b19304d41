import pytest

from uniSMP.errors import ConfigError
from uniSMP.schedule.policy import Slice
from uniSMP.schedule.seeded_random import SeededRandom


def slices(seed: int, quantum: int = 1000, count: int = 200) -> list[Slice]:
    schedule = SeededRandom(seed, quantum)
    return [schedule.next_slice([0, 2, 3]) for _ in range(count)]


def test_equal_seeds_give_equal_slices() -> None:
    assert slices(5) == slices(5)


def test_other_seed_gives_other_slices() -> None:
    assert slices(5) != slices(6)


def test_first_slices_draw_the_core_then_the_budget_from_the_published_stream() -> None:
    assert slices(0, count=2) == [
        Slice([0, 2, 3][0xE220A8397B1DCDAF % 3], 1 + 0x6E789E6AA1B965F4 % 1000),
        Slice([0, 2, 3][0x06C45D188009454F % 3], 1 + 0xF88BB8A8724C81EC % 1000),
    ]


def test_cores_chosen_are_all_the_runnable_ones() -> None:
    assert {each.core_id for each in slices(1)} == {0, 2, 3}


def test_budgets_reach_from_one_to_the_quantum() -> None:
    assert {each.budget_instructions for each in slices(1, quantum=4)} == {1, 2, 3, 4}


def test_seed_is_kept_to_be_shown() -> None:
    assert SeededRandom(77, 1).seed == 77


@pytest.mark.parametrize(("seed", "quantum"), [(-1, 1), (1 << 64, 1), (0, 0)])
def test_setting_out_of_range_is_refused(seed: int, quantum: int) -> None:
    with pytest.raises(ConfigError):
        SeededRandom(seed, quantum)
