"""What each packet of gdb does, and what is answered.

Pure of input and output: a payload in, a payload out. No payload raises: what is not known is
answered with nothing, what cannot be understood or done with an error.

Source: GDB manual, appendix "GDB Remote Serial Protocol"; the two PhyMemMode packets are QEMU's.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from uniSMP.errors import ConfigError, UniSMPError
from uniSMP.gdb import registers, words
from uniSMP.gdb.breakpoints import Point, Points
from uniSMP.gdb.contents import MALFORMED, OK, Contents
from uniSMP.gdb.files import Files
from uniSMP.gdb.memory import DebugMemory
from uniSMP.gdb.monitor import Monitor
from uniSMP.gdb.motion import Action, Motion, Stop
from uniSMP.gdb.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uniSMP.replay.timeline import Timeline

UNKNOWN = b""


class Leave(Exception):  # noqa: N818 - no error: gdb has ended the session
    """The session is over.

    Args:
        is_killed: whether the target is not needed any more.
    """

    def __init__(self, *, is_killed: bool) -> None:
        super().__init__()
        self.is_killed = is_killed


class Stub:
    """One target for one debugger at a time.

    Args:
        timeline: the target.
        monitor: the commands behind `monitor`.
        files: what gdb may read, the file with the symbols among them.
        say: prints a text in gdb; may be called only while a command runs.

    Attributes:
        motion: what moves the target.
        wants_no_ack: whether packets are not acknowledged from now on.
    """

    def __init__(
        self,
        timeline: "Timeline",
        monitor: Monitor,
        files: Files,
        say: Callable[[str], None],
    ) -> None:
        self._timeline = timeline
        self._points = Points()
        self._memory = DebugMemory(timeline)
        self._contents = Contents(timeline, self._memory)
        self._files = files
        self._queries = Queries(timeline, monitor, files, self._memory)
        self.motion = Motion(timeline, self._points, say)
        self.wants_no_ack = False
        self._continued: int | None = None
        self._commands: Mapping[bytes, Callable[[bytes], bytes]] = {
            b"?": self._why,
            b"H": self._choose,
            b"T": self._is_alive,
            **self._contents.commands,
            b"Z": self._insert,
            b"z": self._remove,
            b"c": lambda rest: self._resume_one(rest, steps=False),
            b"s": lambda rest: self._resume_one(rest, steps=True),
            b"b": self._reverse,
            b"D": self._detach,
            b"k": self._kill,
            b"v": self._named,
            b"q": self._query,
            b"Q": self._set,
        }

    def handle(self, payload: bytes) -> bytes:
        """Return the answer to a packet; what is binary in it is escaped.

        Raises:
            Leave: gdb has ended the session.
        """
        command = self._commands.get(payload[:1])
        if command is None:
            return UNKNOWN
        try:
            return command(payload[1:])
        except UniSMPError as error:
            return b"E." + " ".join(str(error).split()).encode("ascii", "replace")
        except (ValueError, IndexError, OverflowError):
            return MALFORMED

    def begin(self) -> None:
        """Begin a session with a debugger that knows nothing."""
        self._points.clear()
        self._contents.core_id, self._continued = self.motion.last.core_id, None
        self._memory.is_physical = False
        self.wants_no_ack = False

    # -- cores ---------------------------------------------------------------------------------

    def _core(self, text: bytes) -> int:
        """Return the core of a thread id; a negative number for "all" and "any"."""
        number = -1 if text == b"-1" else words.number(text)
        if not -1 <= number <= len(self._timeline.machine.cores):
            raise ConfigError(f"there is no thread {number}")
        return number - 1

    def _choose(self, rest: bytes) -> bytes:
        core_id = self._core(rest[1:])
        chosen = core_id if core_id >= 0 else None
        match rest[:1]:
            case b"g":
                if chosen is not None:
                    self._contents.core_id = chosen
            case b"c":
                self._continued = chosen
            case _:
                return UNKNOWN
        return OK

    def _is_alive(self, rest: bytes) -> bytes:
        return OK if self._core(rest) >= 0 else MALFORMED

    def _why(self, _rest: bytes) -> bytes:
        return self._stop_reply(self.motion.last)

    def _stop_reply(self, stop: Stop) -> bytes:
        self._contents.core_id = stop.core_id
        file = registers.RegisterFile(self._timeline.machine, stop.core_id)
        pairs = [
            b"%x:%b;" % (number, words.to_hex(file.read(number))) for number in registers.EXPEDITED
        ]
        about = f"{stop.reason}thread:{stop.core_id + 1:x};".encode()
        return b"T%02x" % stop.signal + about + b"".join(pairs)

    # -- breakpoints ---------------------------------------------------------------------------

    def _point(self, rest: bytes) -> Point | None:
        kind, address, size = words.number(rest[:1]), *words.split(rest[2:].split(b";")[0], b",")
        if kind not in range(5):
            return None
        is_physical = self._memory.is_physical and kind > 1
        size_bytes = words.number(size) if kind > 1 else 0
        return Point(kind, words.number(address), size_bytes, is_physical)

    def _insert(self, rest: bytes) -> bytes:
        point = self._point(rest)
        if point is None:
            return UNKNOWN
        return OK if self._points.insert(point) else MALFORMED

    def _remove(self, rest: bytes) -> bytes:
        point = self._point(rest)
        if point is None:
            return UNKNOWN
        self._points.remove(point)
        return OK

    # -- motion --------------------------------------------------------------------------------

    def _resume(self, actions: "Mapping[int, Action]") -> bytes:
        return self._stop_reply(self.motion.forward(actions))

    def _resume_one(self, rest: bytes, *, steps: bool) -> bytes:
        """Do `c` or `s`: all cores move, the chosen one may step."""
        if rest:
            self._contents.jump(words.number(rest))
        chosen = self._contents.core_id if self._continued is None else self._continued
        actions = dict.fromkeys(range(len(self._timeline.machine.cores)), Action(steps=False))
        return self._resume(actions | {chosen: Action(steps=steps)})

    def _named(self, rest: bytes) -> bytes:
        if rest == b"Cont?":
            return b"vCont;c;C;s;S;r"
        if rest.startswith(b"Cont;"):
            return self._resume(self._actions(rest[5:].split(b";")))
        if rest.startswith(b"Kill"):
            return self._kill(b"")
        if rest.startswith(b"File:"):
            return self._files.handle(rest[5:])
        return UNKNOWN

    def _actions(self, texts: list[bytes]) -> dict[int, Action]:
        """Return what each core does; the first text that is about a core counts."""
        actions: dict[int, Action] = {}
        cores = range(len(self._timeline.machine.cores))
        for text in texts:
            what, _, thread = text.partition(b":")
            core_id = self._core(thread) if thread else -1
            action = _action(what)
            for each in cores if core_id < 0 else (core_id,):
                actions.setdefault(each, action)
        if not actions:
            raise ConfigError("vCont without an action")
        return actions

    def _reverse(self, rest: bytes) -> bytes:
        chosen = self._contents.core_id if self._continued is None else self._continued
        match rest:
            case b"c":
                return self._stop_reply(self.motion.back())
            case b"s":
                return self._stop_reply(self.motion.step_back(chosen))
        return UNKNOWN

    def _detach(self, _rest: bytes) -> bytes:
        raise Leave(is_killed=False)

    def _kill(self, _rest: bytes) -> bytes:
        raise Leave(is_killed=True)

    # -- questions and settings ----------------------------------------------------------------

    def _query(self, rest: bytes) -> bytes:
        return self._queries.handle(rest, self._contents.core_id)

    def _set(self, rest: bytes) -> bytes:
        if rest == b"StartNoAckMode":
            self.wants_no_ack = True
            return OK
        if rest.startswith(b"qemu.PhyMemMode:"):
            self._memory.is_physical = words.number(rest[16:]) != 0
            return OK
        return UNKNOWN


def _action(text: bytes) -> Action:
    """Return what one action of a `vCont` packet says; signals are dropped, the guest has none."""
    match text[:1]:
        case b"c" | b"C":
            return Action(steps=False)
        case b"s" | b"S":
            return Action(steps=True)
        case b"r":
            first, end = map(words.number, words.split(text[1:], b","))
            return Action(steps=True, within=range(first, end))
    raise ConfigError("vCont knows c, C, s, S and r")
