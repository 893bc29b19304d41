"""Which functions and handlers a core is in: frames begun by calls and deliveries.

A return ends the frame that waits for its target, and all above it, which did not return by
themselves. A return to where no frame waits (a jump written as PUSH and RET) ends nothing. Frames
of functions are looked for above the newest handler only; IRET ends that handler. A core with
MOST_FRAMES frames has lost track - it switches stacks, or jumps out of functions: all end, and
it begins anew.
"""

from dataclasses import dataclass, field

MOST_FRAMES = 256
_HANDLER = -1
_ROOT = -2


@dataclass(slots=True)
class Marks:
    """Begins and ends of frames, in order.

    Attributes:
        order: where each stands among all that happens.
        time: in ticks.
        core: whose.
        is_begin: whether a function begins; else a function or a handler ends.
        address: of the function that begins.
    """

    order: list[int] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    core: list[int] = field(default_factory=list)
    is_begin: list[bool] = field(default_factory=list)
    address: list[int] = field(default_factory=list)

    def add(self, order: int, time: int, core: int, address: int | None) -> None:
        """Add a begin, or an end without an address."""
        self.order.append(order)
        self.time.append(time)
        self.core.append(core)
        self.is_begin.append(address is not None)
        self.address.append(address or 0)


class CallStacks:
    """The frames of all cores.

    Attributes:
        marks: begins and ends since they were taken last.
    """

    def __init__(self) -> None:
        self._frames: dict[int, list[int]] = {}
        self.marks = Marks()

    def take(self) -> Marks:
        """Return the marks, and begin a new list."""
        marks, self.marks = self.marks, Marks()
        return marks

    def start(self, order: int, time: int, core: int, address: int) -> None:
        """A core begins at `address`, where it is in no function yet."""
        if not self._frames.setdefault(core, []):
            self._push(order, time, core, _ROOT, address)

    def call(self, order: int, time: int, core: int, address: int, back: int) -> None:
        """A core calls the function at `address`, which will return to `back`."""
        self._push(order, time, core, back, address)

    def deliver(self, order: int, time: int, core: int) -> None:
        """A core enters a handler. Its begin gets no mark; what it ends stands at `order` - 1."""
        self._make_room(order - 1, time, core).append(_HANDLER)

    def come_back(self, order: int, time: int, core: int, target: int) -> None:
        """A core returns from a function to `target`."""
        frames = self._frames.get(core, [])
        for depth in range(len(frames) - 1, -1, -1):
            if frames[depth] == target:
                self._pop(order, time, core, depth)
                return
            if frames[depth] == _HANDLER:
                return

    def end_handler(self, order: int, time: int, core: int) -> None:
        """A core executes IRET."""
        frames = self._frames.get(core, [])
        for depth in range(len(frames) - 1, -1, -1):
            if frames[depth] == _HANDLER:
                self._pop(order, time, core, depth)
                return

    def reset(self, order: int, time: int, core: int) -> None:
        """A core leaves all functions."""
        self._pop(order, time, core, 0)

    def reset_all(self, order: int, time: int) -> None:
        """All cores leave all functions."""
        for core in self._frames:
            self._pop(order, time, core, 0)

    def _push(self, order: int, time: int, core: int, back: int, address: int) -> None:
        self._make_room(order, time, core).append(back)
        self.marks.add(order, time, core, address)

    def _make_room(self, order: int, time: int, core: int) -> list[int]:
        frames = self._frames.setdefault(core, [])
        if len(frames) >= MOST_FRAMES:
            self._pop(order, time, core, 0)
        return frames

    def _pop(self, order: int, time: int, core: int, depth: int) -> None:
        frames = self._frames.get(core, [])
        for _ in range(len(frames) - depth):
            self.marks.add(order, time, core, None)
        del frames[depth:]
