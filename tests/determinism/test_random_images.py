"""Random bytes as code end as an outcome: no exception, no crash, and twice the same."""

import random

import pytest

from uniSMP import Machine, Outcome, RunResult, SeededRandom

_IMAGES = 2000
_BATCH = 100
_ORIGIN_BYTES = 0x10_0000


def run_image(seed: int) -> RunResult:
    rng = random.Random(seed)
    data = rng.randbytes(rng.choice([16, 200, 4096]))
    with Machine(cores=2, memory_bytes=2 << 20, boot="long") as machine:
        machine.load(data)
        return machine.run(SeededRandom(seed, 500), max_instructions=5_000)


@pytest.mark.parametrize("first", range(0, _IMAGES, _BATCH))
def test_random_images_end_as_an_outcome(first: int) -> None:
    outcomes = [run_image(seed).outcome for seed in range(first, first + _BATCH)]
    assert set(outcomes) <= set(Outcome) - {Outcome.HOST_TIMEOUT}


@pytest.mark.parametrize("seed", range(25))
def test_random_images_end_twice_the_same(seed: int) -> None:
    assert run_image(seed) == run_image(seed)
