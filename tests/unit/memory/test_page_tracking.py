"""Which pages were written: what the kernel tells, what comparison finds, and what is missing."""

import ctypes
import mmap
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.memory import page_tracking
from uniSMP.memory.page_tracking import ComparisonTracking, KernelTracking, WrittenPages, track

PAGE = 4096
PAGES = 1200
"""More single pages than one scan of the kernel reports."""
Memory = npt.NDArray[np.uint8]


def memory_of(pages: int) -> Memory:
    """Return zeroed memory of its own mapping."""
    mapping = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(mapping, dtype=np.uint8)


def kernel_tracking(memory: Memory) -> WrittenPages:
    """Track with the kernel, or skip the test by name where it cannot."""
    missing = page_tracking.missing()
    if missing is not None:
        pytest.skip(f"this kernel cannot track written pages: {missing}")
    return KernelTracking(memory)


@pytest.fixture(params=[kernel_tracking, ComparisonTracking], ids=["kernel", "comparison"])
def make(request: pytest.FixtureRequest) -> Callable[[Memory], WrittenPages]:
    """Return what tracks memory in one way."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def memory() -> Memory:
    """Return zeroed memory."""
    return memory_of(PAGES)


@pytest.fixture
def tracking(make: Callable[[Memory], WrittenPages], memory: Memory) -> Iterator[WrittenPages]:
    """Return tracking of that memory."""
    made = make(memory)
    yield made
    made.close()


def test_written_pages_are_told_once_in_order(tracking: WrittenPages, memory: Memory) -> None:
    assert tracking.take().tolist() == []
    memory[[7 * PAGE, 3 * PAGE + 4095, 3 * PAGE]] = 1
    memory[0] = memory[-1] = 1
    assert tracking.take().tolist() == [0, 3, 7, PAGES - 1]
    assert tracking.take().tolist() == []
    memory[3 * PAGE] = 2
    assert tracking.take().tolist() == [3]


def test_answer_is_of_64_bit_numbers(tracking: WrittenPages, memory: Memory) -> None:
    assert tracking.take().dtype == np.int64
    memory[0] = 1
    assert tracking.take().dtype == np.int64


def test_what_was_written_before_is_not_told(make: Callable[[Memory], WrittenPages]) -> None:
    memory = memory_of(10)
    memory[:] = 1
    tracking = make(memory)
    assert tracking.take().tolist() == []
    memory[5 * PAGE : 8 * PAGE] = 2
    assert tracking.take().tolist() == [5, 6, 7]
    tracking.close()


def test_every_second_page_is_more_than_one_scan_tells(
    tracking: WrittenPages, memory: Memory
) -> None:
    memory[:: 2 * PAGE] = 1
    assert tracking.take().tolist() == list(range(0, PAGES, 2))
    memory[PAGE :: 2 * PAGE] = 1
    assert tracking.take().tolist() == list(range(1, PAGES, 2))
    memory[:] = 3
    assert tracking.take().tolist() == list(range(PAGES))


def test_pages_that_are_read_are_not_told(tracking: WrittenPages, memory: Memory) -> None:
    assert memory.sum() == 0
    assert tracking.take().tolist() == []
    memory[5 * PAGE] = 1
    assert memory.sum() == 1
    assert tracking.take().tolist() == [5]


def test_stores_past_numpy_are_told(tracking: WrittenPages, memory: Memory) -> None:
    ctypes.memset(memory.ctypes.data + 9 * PAGE - 1, 7, 2)
    assert tracking.take().tolist() == [8, 9]


def test_same_memory_is_tracked_again_after_close(
    make: Callable[[Memory], WrittenPages], memory: Memory
) -> None:
    make(memory).close()
    memory[PAGE] = 1
    again = make(memory)
    assert again.take().tolist() == []
    memory[2 * PAGE] = 1
    assert again.take().tolist() == [2]
    again.close()
    again.close()
    memory[3 * PAGE] = 1


write = st.tuples(st.integers(0, 39), st.integers(0, PAGE - 1), st.integers(1, 3))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(write, max_size=10), max_size=8))
def test_both_ways_give_the_same_answers_for_the_same_writes(
    groups: list[list[tuple[int, int, int]]],
) -> None:
    """Each write changes what was there: comparison cannot tell another one."""
    one, other = memory_of(40), memory_of(40)
    kernel, comparison = track(one), ComparisonTracking(other)
    answers = []
    for group in groups:
        written = set()
        for page, offset, pages in group:
            part = slice(page * PAGE + offset, page * PAGE + offset + (pages - 1) * PAGE + 1)
            one[part] += 1
            other[part] += 1
            written |= set(range(page, min(page + pages, 40)))
        answers.append((kernel.take().tolist(), comparison.take().tolist(), sorted(written)))
    kernel.close()
    assert [answer[0] for answer in answers] == [answer[1] for answer in answers]
    assert [answer[0] for answer in answers] == [answer[2] for answer in answers]


def test_page_that_holds_what_it_held_is_told_by_the_kernel_only(memory: Memory) -> None:
    kernel, comparison = kernel_tracking(memory), ComparisonTracking(memory)
    memory[0] = 1
    memory[0] = 0
    assert kernel.take().tolist() == [0]
    assert comparison.take().tolist() == []
    kernel.close()


def test_memory_cannot_be_tracked_twice_by_the_kernel(memory: Memory) -> None:
    """Who asks second compares."""
    first, second = kernel_tracking(memory), track(memory)
    assert isinstance(second, ComparisonTracking)
    memory[PAGE] = 1
    assert first.take().tolist() == second.take().tolist() == [1]
    first.close()


def test_kernel_that_cannot_is_replaced_by_comparison(
    monkeypatch: pytest.MonkeyPatch, memory: Memory
) -> None:
    monkeypatch.setattr(page_tracking, "_USERFAULTFD", 100_000)
    assert isinstance(track(memory), ComparisonTracking)


def test_answer_is_a_reason_or_none() -> None:
    assert page_tracking.missing() is None or "userfaultfd" in str(page_tracking.missing())


def test_kernel_without_the_system_call_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_tracking, "_USERFAULTFD", 100_000)
    assert page_tracking.missing() == "userfaultfd: Function not implemented"


@pytest.mark.parametrize("request_name", ["_UFFDIO_API", "_UFFDIO_REGISTER", "_PAGEMAP_SCAN"])
def test_kernel_without_a_request_is_named(
    monkeypatch: pytest.MonkeyPatch, request_name: str
) -> None:
    monkeypatch.setattr(page_tracking, request_name, 0x1234)
    assert page_tracking.missing() is not None


@pytest.mark.parametrize("request_name", ["_UFFDIO_API", "_UFFDIO_REGISTER", "_PAGEMAP_SCAN"])
def test_tracking_that_fails_holds_no_descriptor(
    monkeypatch: pytest.MonkeyPatch, memory: Memory, request_name: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(page_tracking, request_name, 0x1234)
        with pytest.raises(OSError, match=r"userfaultfd|PAGEMAP_SCAN"):
            KernelTracking(memory)
    track(memory).close()
