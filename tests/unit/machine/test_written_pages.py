"""Several who ask which pages of RAM were written, each since their own last time."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.machine.written_pages import PAGE_BYTES, RamTracking
from uniSMP.memory.ram import Ram

PAGES = 256


@pytest.fixture
def ram() -> Iterator[Ram]:
    """Return 1 MiB of RAM."""
    made = Ram(PAGES * PAGE_BYTES)
    yield made
    made.close()


def test_each_asker_has_its_own_last_time(ram: Ram) -> None:
    tracking = RamTracking(ram)
    ram.write(3 * PAGE_BYTES, b"before")
    first = tracking.ask()
    assert first.take().tolist() == []
    ram.write(5 * PAGE_BYTES - 1, b"ab")
    second = tracking.ask()
    ram.write(9 * PAGE_BYTES, b"a")
    assert second.take().tolist() == [9]
    assert first.take().tolist() == [4, 5, 9]
    assert first.take().tolist() == second.take().tolist() == []
    ram.write(9 * PAGE_BYTES, b"b")
    assert first.take().tolist() == [9]
    assert second.take().tolist() == [9]
    first.close()
    second.close()


def test_asker_that_has_left_does_not_disturb_the_others(ram: Ram) -> None:
    tracking = RamTracking(ram)
    first, second = tracking.ask(), tracking.ask()
    ram.write(0, b"a")
    first.close()
    first.close()
    assert second.take().tolist() == [0]
    second.close()


def test_tracking_ends_with_the_last_asker_and_begins_again(ram: Ram) -> None:
    tracking = RamTracking(ram)
    tracking.ask().close()
    assert tracking._tracking is None
    ram.write(PAGE_BYTES, b"unseen")
    asker = tracking.ask()
    assert asker.take().tolist() == []
    ram.write(2 * PAGE_BYTES, b"seen")
    assert asker.take().tolist() == [2]
    tracking.close()
    tracking.close()
    assert tracking._tracking is None


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "take 0", "take 1"]), st.integers(0, PAGES - 1)),
        max_size=40,
    )
)
def test_askers_are_told_what_a_model_says(operations: list[tuple[str, int]]) -> None:
    ram = Ram(PAGES * PAGE_BYTES)
    tracking = RamTracking(ram)
    askers = {"take 0": tracking.ask(), "take 1": tracking.ask()}
    pending: dict[str, set[int]] = {"take 0": set(), "take 1": set()}
    found, expected = [], []
    for number, (name, page) in enumerate(operations):
        if name == "write":
            ram.write(page * PAGE_BYTES, number.to_bytes(3, "little") + b"x")
            pending = {key: pages | {page} for key, pages in pending.items()}
        else:
            found.append(askers[name].take().tolist())
            expected.append(sorted(pending[name]))
            pending[name] = set()
    tracking.close()
    ram.close()
    assert found == expected
