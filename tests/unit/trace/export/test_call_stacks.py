import pytest

from uniSMP.trace.export.call_stacks import MOST_FRAMES, CallStacks

CORE = 3


@pytest.fixture
def stacks() -> CallStacks:
    """Return stacks on which a core began at 0x100 and called 0x200 and there 0x300."""
    stacks = CallStacks()
    stacks.start(0, 0, CORE, 0x100)
    stacks.call(1, 10, CORE, 0x200, 0x105)
    stacks.call(2, 20, CORE, 0x300, 0x205)
    stacks.take()
    return stacks


def told(stacks: CallStacks) -> list[int | None]:
    """Return what was marked: the address of a begin, None for an end."""
    marks = stacks.take()
    pairs = zip(marks.address, marks.is_begin, strict=True)
    return [address if begins else None for address, begins in pairs]


def test_calls_begin_functions() -> None:
    stacks = CallStacks()
    stacks.start(0, 0, CORE, 0x100)
    stacks.call(7, 10, CORE, 0x200, 0x105)
    marks = stacks.take()
    assert (marks.address, marks.is_begin) == ([0x100, 0x200], [True, True])
    assert (marks.order, marks.time, marks.core) == ([0, 7], [0, 10], [CORE, CORE])


def test_return_ends_the_function_that_waits_for_its_target(stacks: CallStacks) -> None:
    stacks.come_back(3, 30, CORE, 0x205)
    assert told(stacks) == [None]
    stacks.come_back(4, 40, CORE, 0x105)
    assert told(stacks) == [None]


def test_return_past_a_function_ends_it_too(stacks: CallStacks) -> None:
    stacks.come_back(3, 30, CORE, 0x105)
    assert told(stacks) == [None, None]


def test_return_to_where_nobody_waits_ends_nothing(stacks: CallStacks) -> None:
    stacks.come_back(3, 30, CORE, 0x999)
    assert told(stacks) == []


def test_return_inside_a_handler_does_not_end_what_it_interrupted(stacks: CallStacks) -> None:
    stacks.deliver(3, 30, CORE)
    stacks.come_back(4, 40, CORE, 0x205)
    assert told(stacks) == []


def test_iret_ends_the_handler_and_what_it_called(stacks: CallStacks) -> None:
    stacks.deliver(3, 30, CORE)
    stacks.call(4, 40, CORE, 0x400, 0x505)
    stacks.take()
    stacks.end_handler(5, 50, CORE)
    assert told(stacks) == [None, None]
    stacks.come_back(6, 60, CORE, 0x205)
    assert told(stacks) == [None]


def test_iret_without_a_handler_ends_nothing(stacks: CallStacks) -> None:
    stacks.end_handler(3, 30, CORE)
    assert told(stacks) == []


def test_cores_have_stacks_of_their_own(stacks: CallStacks) -> None:
    stacks.come_back(3, 30, CORE + 1, 0x205)
    assert told(stacks) == []


def test_too_many_frames_end_all_and_begin_anew(stacks: CallStacks) -> None:
    depth = MOST_FRAMES - 3
    assert [stacks.call(3, 30, CORE, 0x700, 0x705) for _ in range(depth)] == [None] * depth
    stacks.take()
    stacks.call(4, 40, CORE, 0x800, 0x805)
    assert told(stacks) == [None] * MOST_FRAMES + [0x800]


def test_reset_ends_all_of_a_core(stacks: CallStacks) -> None:
    stacks.reset(3, 30, CORE)
    assert told(stacks) == [None] * 3
    stacks.reset_all(4, 40)
    assert told(stacks) == []
