"""A small target for the stub, and a debugger that talks to it without gdb."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `fake`, the time line of these tests

from fake import FakeTimeline

from uniSMP import Image, assemble
from uniSMP.errors import ConfigError
from uniSMP.gdb import symbol_file
from uniSMP.gdb.files import Files
from uniSMP.gdb.monitor import Monitor
from uniSMP.gdb.stub import Stub
from uniSMP.gdb.tracing import Tracing

COUNT = """
_start:
    lock inc dword ptr [count]
    cmp edi, 0
    jne park
wait:
    pause
    cmp dword ptr [count], 2
    jne wait
    xor eax, eax
    out 0xF4, al
park:
    hlt
    jmp park
.balign 8
count: .quad 0
"""


def refuse_to_trace(directory: str) -> Any:
    raise ConfigError(f"cannot write {directory}")


class Debugger:
    """Sends payloads to a stub.

    Attributes:
        said: what the stub printed.
    """

    def __init__(self, image: Image, timeline: Any) -> None:
        self.image = image
        self.timeline = timeline
        labels = {name: image.symbols[name] for name in image.labels}
        symbols = symbol_file.make(image, labels)
        assert symbols is not None
        self.said: list[str] = []
        self.stub = Stub(
            self.timeline,
            Monitor(self.timeline, labels, Tracing(self.timeline, refuse_to_trace)),
            Files({"/guest": symbols}, "/guest"),
            self.said.append,
        )
        self.stub.begin()

    def __call__(self, payload: str | bytes) -> str:
        """Send a packet and return the answer."""
        data = payload.encode() if isinstance(payload, str) else payload
        return self.stub.handle(data).decode("latin-1")

    def register(self, number: int) -> int:
        """Return a register of the current thread."""
        return int.from_bytes(bytes.fromhex(self(f"p{number:x}")), "little")

    def monitor(self, line: str) -> str:
        """Run a `monitor` command."""
        answer = self("qRcmd," + line.encode().hex())
        return "" if answer == "OK" else bytes.fromhex(answer).decode()

    def at(self, label: str) -> str:
        """Return the address of a label as packets spell it."""
        return f"{self.image.symbols[label]:x}"


@pytest.fixture(scope="session")
def count_image() -> Image:
    """Return a program in which two cores count to 2."""
    return assemble(COUNT)


@pytest.fixture
def debugger(count_image: Image) -> Debugger:
    """Return a debugger at a live target of two cores."""
    return Debugger(count_image, FakeTimeline(count_image, 2))


@pytest.fixture
def past(count_image: Image) -> Debugger:
    """Return a debugger at a recording of two cores."""
    return Debugger(count_image, FakeTimeline(count_image, 2, is_live=False))


@pytest.fixture(scope="session")
def debugger_of() -> type[Debugger]:
    """Return the class of debuggers, for targets of a test's own."""
    return Debugger
