import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.errors import ConfigError
from uniSMP.schedule.prng import SplitMix64


@pytest.mark.parametrize(
    ("seed", "published"),
    [
        (
            0,
            [
                0xE220A8397B1DCDAF,
                0x6E789E6AA1B965F4,
                0x06C45D188009454F,
                0xF88BB8A8724C81EC,
                0x1B39896A51A8749B,
            ],
        ),
        (
            1234567,
            [
                6457827717110365317,
                3203168211198807973,
                9817491932198370423,
                4593380528125082431,
                16408922859458223821,
            ],
        ),
    ],
)
def test_stream_of_a_seed_matches_the_published_numbers(seed: int, published: list[int]) -> None:
    generator = SplitMix64(seed)

    assert [generator.next_u64() for _ in published] == published


def test_state_restored_continues_the_stream() -> None:
    generator = SplitMix64(7)
    generator.next_u64()

    assert SplitMix64(generator.state).next_u64() == generator.next_u64()


@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match="choose 0 to"):
        SplitMix64(seed)


@pytest.mark.parametrize("limit", [0, -3, (1 << 64) + 1])
def test_limit_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(ConfigError, match="choose 1 to"):
        SplitMix64(0).below(limit)


@settings(derandomize=True, deadline=None)
@given(seed=st.integers(0, (1 << 64) - 1), limit=st.integers(1, 1 << 64))
def test_below_any_limit_stays_below(seed: int, limit: int) -> None:
    assert 0 <= SplitMix64(seed).below(limit) < limit


def test_below_the_whole_range_returns_the_stream_itself() -> None:
    assert SplitMix64(0).below(1 << 64) == 0xE220A8397B1DCDAF


def test_below_rejects_numbers_past_the_last_multiple() -> None:
    generator = SplitMix64(0)

    drawn = generator.below((1 << 63) + 1)

    assert drawn == 0x6E789E6AA1B965F4


def test_below_small_limit_reaches_every_number_about_equally() -> None:
    generator = SplitMix64(42)

    drawn = [generator.below(3) for _ in range(3000)]

    assert [900 < drawn.count(number) < 1100 for number in range(3)] == [True] * 3
