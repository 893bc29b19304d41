"""Call paths, told by return addresses on stacks."""

import sys
from pathlib import Path

from uniSMP.checks.call_paths import CallPaths, Frame
from uniSMP.checks.history import DELIVERY, WRITE, Event, History
from uniSMP.checks.places import Places

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history

MAIN, F, G, HANDLER = 0x100, 0x200, 0x300, 0x400
STACK, DATA = 0x8000, 0x9000
SYMBOLS = {"main": MAIN, "f": F, "g": G, "handler": HANDLER}


class Run:
    """Writes one core's history: each method is one instruction."""

    def __init__(self, core: int = 0) -> None:
        self.core = core
        self.run: list[tuple[int, int]] = []
        self.accesses: list[Access] = []
        self.events: list[Event] = []

    def at(self, rip: int) -> None:
        self.run.append((self.core, rip))

    def add(self, rip: int, physical: int, value: int, kind: int = 0) -> None:
        step = len(self.run)
        self.accesses.append(Access(step, self.core, rip, physical, 8, kind, value))

    def call(self, rip: int, slot: int) -> None:
        """CALL of 5 bytes."""
        self.add(rip, slot, rip + 5, WRITE)
        self.at(rip)

    def back(self, rip: int, slot: int, value: int) -> None:
        """RET or IRET."""
        self.add(rip, slot, value)
        self.at(rip)

    def interrupt(self, rip: int, slot: int) -> None:
        """Pushes before the next instruction, in the order of addresses."""
        for offset, value in enumerate((rip, 8, 0x202, slot + 40, 0x10)):
            self.add(rip, slot + 8 * offset, value, WRITE | DELIVERY)

    def look(self, rip: int) -> int:
        """Access memory; return the row."""
        self.add(rip, DATA, 0)
        self.at(rip)
        return len(self.accesses) - 1

    def history(self) -> History:
        return history(
            self.run, cores=2, symbols=SYMBOLS, accesses=self.accesses, events=self.events
        )

    def path(self, row: int) -> str:
        made = self.history()
        return CallPaths(made).describe(row, Places(made.symbols))


def test_calls_nest_and_returns_end_them() -> None:
    run = Run()
    run.call(MAIN, STACK)
    run.call(F, STACK - 8)
    inner = run.look(G)
    run.back(G + 3, STACK - 8, F + 5)
    outer = run.look(F + 5)
    run.back(F + 8, STACK, MAIN + 5)
    first = run.look(MAIN + 5)
    assert [run.path(row) for row in (inner, outer, first)] == ["g < f < main", "f < main", "main"]


def test_frames_are_addresses() -> None:
    run = Run()
    run.call(MAIN, STACK)
    run.at(F)
    run.interrupt(F + 4, STACK - 48)
    row = run.look(HANDLER)
    assert CallPaths(run.history()).frames(row) == [
        Frame(HANDLER, is_handler=True),
        Frame(F, is_handler=False),
        Frame(MAIN, is_handler=False),
    ]


def test_handler_lasts_until_its_iret() -> None:
    run = Run()
    run.at(MAIN)
    run.interrupt(MAIN + 4, STACK - 40)
    inside = run.look(HANDLER)
    run.call(HANDLER + 4, STACK - 48)
    deeper = run.look(F)
    run.back(F + 2, STACK - 48, HANDLER + 9)
    run.back(HANDLER + 9, STACK - 40, MAIN + 4)
    behind = run.look(MAIN + 4)
    assert [run.path(row) for row in (inside, deeper, behind)] == [
        "interrupt handler < main",
        "f < interrupt handler < main",
        "main",
    ]


def test_return_over_several_frames_ends_them_all() -> None:
    run = Run()
    run.call(MAIN, STACK)
    run.call(F, STACK - 8)
    run.at(G)
    run.back(G + 3, STACK, MAIN + 5)
    assert run.path(run.look(MAIN + 5)) == "main"


def test_slot_that_is_used_again_ends_what_used_it() -> None:
    run = Run()
    run.call(MAIN, STACK)
    run.at(F)
    run.at(MAIN + 5)  # by a jump
    run.call(MAIN + 5, STACK)
    assert run.path(run.look(G)) == "g < main"


def test_pushes_and_loads_of_addresses_are_no_calls() -> None:
    run = Run()
    run.add(MAIN, STACK, MAIN + 5, WRITE)  # the next instruction stands there
    run.at(MAIN)
    run.add(MAIN + 5, STACK - 8, MAIN, WRITE)
    run.at(MAIN + 5)
    assert run.path(run.look(F)) == "main"


def test_cores_have_paths_of_their_own() -> None:
    one, other = Run(0), Run(1)
    one.call(MAIN, STACK)
    other.run = list(one.run)
    other.accesses = list(one.accesses)
    row = other.look(G)
    assert other.path(row) == "g"


def test_start_up_forgets_what_was_before() -> None:
    run = Run()
    run.call(MAIN, STACK)
    run.at(F)
    run.events.append(Event(len(run.run), 0, "start_up"))
    assert run.path(run.look(G)) == "g"


def test_long_paths_are_cut() -> None:
    run = Run()
    for depth in range(12):
        run.call(MAIN if depth == 0 else F, STACK - 8 * depth)
    assert run.path(run.look(G)) == "g < " + "f < " * 7 + "5 more"
