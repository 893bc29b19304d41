"""What gdb asks of the target in general: features, descriptions, threads, `monitor` commands.

Source: GDB manual, appendix "GDB Remote Serial Protocol", section "General Query Packets"; the
PhyMemMode packet is QEMU's.
"""

from html import escape as escape_xml
from typing import TYPE_CHECKING

from uniSMP.gdb import words
from uniSMP.gdb.files import Files
from uniSMP.gdb.memory import DebugMemory
from uniSMP.gdb.monitor import Monitor
from uniSMP.gdb.packets import PACKET_SIZE_BYTES, escape
from uniSMP.gdb.registers import target_xml

if TYPE_CHECKING:
    from collections.abc import Callable

    from uniSMP.replay.timeline import Timeline

_FEATURES = (
    f"PacketSize={PACKET_SIZE_BYTES:x}",
    *("QStartNoAckMode+", "vContSupported+", "swbreak+", "hwbreak+"),
    *("ReverseStep+", "ReverseContinue+", "qXfer:features:read+", "qXfer:threads:read+"),
)
_MOST_BYTES = PACKET_SIZE_BYTES // 2


class Queries:
    """Answers the packets that begin with `q`.

    Args:
        timeline: the target.
        monitor: the commands behind `monitor`.
        files: what gdb may read.
        memory: knows whether addresses are physical.
    """

    def __init__(
        self, timeline: "Timeline", monitor: Monitor, files: Files, memory: DebugMemory
    ) -> None:
        self._timeline = timeline
        self._monitor = monitor
        self._files = files
        self._memory = memory
        self._answers: dict[bytes, Callable[[bytes, int], bytes]] = {
            b"Supported": lambda _rest, _core: self._features(),
            b"Xfer:": lambda rest, _core: self._transfer(rest),
            b"Rcmd,": self._command,
            b"ThreadExtraInfo,": lambda rest, _core: self._state(rest),
            b"fThreadInfo": lambda _rest, _core: self._thread_ids(),
            b"sThreadInfo": lambda _rest, _core: b"l",
            b"Attached": lambda _rest, _core: b"1",
            b"Symbol:": lambda _rest, _core: b"OK",
            b"qemu.PhyMemMode": lambda _rest, _core: b"%d" % self._memory.is_physical,
        }
        self._objects: dict[bytes, Callable[[bytes], bytes | None]] = {
            b"features": lambda annex: target_xml().encode() if annex == b"target.xml" else None,
            b"threads": lambda annex: None if annex else self._threads().encode(),
            b"exec-file": self._executable,
        }

    def handle(self, text: bytes, core_id: int) -> bytes:
        """Return the answer to what stands behind a `q`; raises ValueError where it is odd.

        Args:
            text: the packet without its first letter.
            core_id: the core that gdb looks at.
        """
        if text == b"C":
            return b"QC%x" % (core_id + 1)
        for prefix, answer in self._answers.items():
            if text.startswith(prefix):
                return answer(text[len(prefix) :], core_id)
        return b""

    def _features(self) -> bytes:
        more = ("qXfer:exec-file:read+",) if self._files.executable else ()
        return ";".join((*_FEATURES, *more)).encode()

    def _thread_ids(self) -> bytes:
        cores = range(1, len(self._timeline.machine.cores) + 1)
        return b"m" + b",".join(b"%x" % number for number in cores)

    def _command(self, digits: bytes, core_id: int) -> bytes:
        line = words.from_hex(digits).decode("utf-8", "replace")
        text = self._monitor.run(line, core_id)
        return words.to_hex(text.encode("utf-8", "replace")) or b"OK"

    def _state(self, thread: bytes) -> bytes:
        state = self._timeline.machine.core(words.number(thread) - 1).state
        return words.to_hex(state.encode())

    def _transfer(self, text: bytes) -> bytes:
        """Return a part of an object that is read in pieces."""
        name, operation, annex, place = text.split(b":")
        if name not in self._objects or operation != b"read":
            return b""
        offset, size = map(words.number, words.split(place, b","))
        whole = self._objects[name](annex)
        if whole is None:
            return b"E00"
        part = whole[offset : offset + min(size, _MOST_BYTES)]
        is_last = offset + len(part) >= len(whole)
        return (b"l" if is_last else b"m") + escape(part)

    def _threads(self) -> str:
        rows = [
            f'<thread id="{core.id + 1:x}" core="{core.id}" name="core {core.id}">'
            f"{escape_xml(core.state)}</thread>"
            for core in self._timeline.machine.cores
        ]
        return "\n".join(['<?xml version="1.0"?>', "<threads>", *rows, "</threads>", ""])

    def _executable(self, _annex: bytes) -> bytes | None:
        return None if self._files.executable is None else self._files.executable.encode()
