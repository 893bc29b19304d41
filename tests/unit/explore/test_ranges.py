import pytest

from uniSMP.explore import ranges
from uniSMP.explore.job import Job, Limits, Payload

LIMITS = Limits(executions=10, jobs=3)


def stretch(start: int, first: int, stop: int, end: int | None = None) -> Payload:
    return {"start": start, "first": first, "stop": stop, "end": end}


@pytest.mark.parametrize(
    ("end", "payloads"),
    [
        (None, [stretch(0, 0, 10), stretch(10, 10, 20), stretch(20, 20, 30)]),
        (15, [stretch(0, 0, 10, 15), stretch(10, 10, 15, 15)]),
        (10, [stretch(0, 0, 10, 10)]),
    ],
)
def test_first_round_has_the_first_numbers(end: int | None, payloads: list[Payload]) -> None:
    assert ranges.first_payloads(LIMITS, end) == payloads


@pytest.mark.parametrize(("limit", "numbers"), [(10, range(13, 20)), (3, range(13, 16))])
def test_numbers_end_at_the_stretch_and_at_the_limit(limit: int, numbers: range) -> None:
    assert ranges.numbers(Job(1, stretch(10, 13, 20), limit)) == numbers


@pytest.mark.parametrize(
    ("payload", "done", "more"),
    [
        (stretch(10, 10, 20), 10, [stretch(40, 40, 50)]),
        (stretch(10, 10, 20), 4, [stretch(10, 14, 20)]),
        (stretch(10, 14, 20), 6, [stretch(40, 40, 50)]),
        (stretch(10, 10, 20), 0, [stretch(10, 10, 20)]),
        (stretch(10, 10, 20, 45), 10, [stretch(40, 40, 45, 45)]),
        (stretch(10, 10, 20, 40), 10, []),
    ],
)
def test_stretch_gives_rise_to_its_rest_or_its_successor(
    payload: Payload, done: int, more: list[Payload]
) -> None:
    assert ranges.further(Job(0, payload, 10), done, LIMITS) == more
