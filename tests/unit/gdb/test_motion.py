"""Moving a time line as a debugger asks, where the packets' tests do not go."""

from typing import Any

import pytest
from fake import FakeTimeline

from uniSMP import Image, assemble
from uniSMP.errors import UniSMPError
from uniSMP.gdb.breakpoints import SOFTWARE, WRITE, Point, Points
from uniSMP.gdb.motion import INTERRUPT, TRAP, Action, Motion, Stop

START, COUNT = 0x10_0000, 0x10_0020
GO, STEP = Action(steps=False), Action(steps=True)
PRINTS = """
_start:
    mov al, 'a'
    out 0xE9, al
    mov al, 'b'
    out 0xE9, al
    xor eax, eax
    out 0xF4, al
"""


class Moved:
    """A motion, and all that it is made of."""

    def __init__(self, image: Image, cores: int = 2, *, is_live: bool = True) -> None:
        self.timeline: Any = FakeTimeline(image, cores, is_live=is_live)
        self.points = Points()
        self.said: list[str] = []
        self.motion = Motion(self.timeline, self.points, self.said.append)


@pytest.fixture
def moved(count_image: Image) -> Moved:
    return Moved(count_image)


def test_stop_tells_what_was_met(moved: Moved) -> None:
    moved.points.insert(Point(WRITE, COUNT, 4))
    assert moved.motion.forward({0: GO, 1: GO}) == Stop(TRAP, 0, f"watch:{COUNT:x};")
    moved.points.clear()
    moved.points.insert(Point(SOFTWARE, START + 8, 1))
    assert moved.motion.forward({0: GO, 1: GO}) == Stop(TRAP, 1, "swbreak:;")
    assert moved.motion.back() == Stop(TRAP, 0, "swbreak:;")
    assert moved.motion.back() == Stop(TRAP, 0, "replaylog:begin;")


def test_step_stops_at_a_watchpoint_that_it_meets(moved: Moved) -> None:
    moved.points.insert(Point(WRITE, COUNT, 4))
    stop = moved.motion.forward({1: STEP, 0: GO})
    assert (stop.core_id, stop.reason) == (0, f"watch:{COUNT:x};")
    assert moved.motion.last == stop


def test_interrupt_of_a_step_within_a_range_is_told_as_one(moved: Moved) -> None:
    answers = iter([False] * 6 + [True])
    moved.motion.is_interrupted = lambda: next(answers, True)
    stop = moved.motion.forward({0: Action(steps=True, within=range(START, START + 0x100)), 1: GO})
    assert (stop, moved.timeline.step) == (Stop(INTERRUPT, 0), 3)


def test_interrupt_stops_with_sigint_at_the_last_core(moved: Moved) -> None:
    moved.motion.last = Stop(TRAP, 1)
    moved.motion.is_interrupted = lambda: True
    assert moved.motion.forward({0: GO, 1: GO}) == Stop(INTERRUPT, 1)


def test_interrupt_is_forgotten_by_the_next_move(moved: Moved) -> None:
    moved.motion.is_interrupted = lambda: True
    moved.motion.forward({0: GO, 1: GO})
    moved.motion.is_interrupted = lambda: False
    assert moved.motion.forward({0: GO, 1: GO}).reason == "replaylog:end;"


def test_cores_without_an_action_are_held_and_let_go(moved: Moved) -> None:
    moved.points.insert(Point(SOFTWARE, START + 8, 1))
    moved.motion.forward({1: GO})
    assert [core.instructions for core in moved.timeline.machine.cores] == [0, 1]
    assert moved.timeline.only is None


def test_core_that_stands_at_its_breakpoint_needs_nobody_held(count_image: Image) -> None:
    moved = Moved(count_image, is_live=False)
    moved.points.insert(Point(SOFTWARE, START + 8, 1))
    stop = moved.motion.forward({0: GO, 1: GO})
    moved.motion.forward({stop.core_id: STEP})
    assert moved.said == []
    moved.motion.forward({stop.core_id: STEP})
    assert moved.said == [
        "a recording goes its way: other cores move until this one has done its instruction\n"
    ]


def test_failure_is_said_and_leaves_the_target_standing(
    moved: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise UniSMPError("no way")

    for name in ("forward", "backward", "step_back"):
        monkeypatch.setattr(moved.timeline, name, fail)
    moved.motion.last = Stop(INTERRUPT, 1)
    assert moved.motion.forward({0: GO, 1: GO}) == Stop(TRAP, 1)
    assert moved.motion.back() == moved.motion.step_back(1) == Stop(TRAP, 1)
    assert moved.said == ["unismp: no way\n"] * 3


def test_console_is_shown_once_and_in_front_of_the_end() -> None:
    moved = Moved(assemble(PRINTS), 1)
    moved.motion.forward({0: STEP})
    moved.motion.forward({0: STEP})
    assert moved.said == ["a"]
    moved.motion.step_back(0)
    moved.motion.forward({0: GO})
    moved.motion.back()
    moved.motion.forward({0: GO})
    end = "FINISHED: the guest wrote 0 to the debug-exit port\n"
    assert moved.said == ["a", "b", end, end]
