"""Talks to gdb over a socket or over standard input and output.

One debugger at a time. While the target moves, the connection is looked at for Ctrl-C only.

Source: GDB manual, appendix "GDB Remote Serial Protocol", sections "Packet Acknowledgment" and
"Interrupts".
"""

import contextlib
import os
import select
import socket
from typing import Protocol

from uniSMP.errors import ConfigError
from uniSMP.gdb import words
from uniSMP.gdb.packets import ACKNOWLEDGED, REFUSED, Decoder, Packet, Signal, frame
from uniSMP.gdb.stub import Leave, Stub

_PIECE_BYTES = 1 << 16
_LAST_PORT = 0xFFFF


class Link(Protocol):
    """A connection to a debugger."""

    def receive(self) -> bytes:
        """Wait for bytes; return nothing at the end."""

    def send(self, data: bytes) -> None:
        """Send all of `data`; raises OSError when nobody is there."""

    def has_input(self) -> bool:
        """Return whether `receive` would return at once."""


class SocketLink:
    """A connection over a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def receive(self) -> bytes:
        """Wait for bytes; return nothing at the end."""
        return self._connection.recv(_PIECE_BYTES)

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self._connection.sendall(data)

    def has_input(self) -> bool:
        """Return whether `receive` would return at once."""
        return bool(select.select([self._connection], [], [], 0)[0])


class PipeLink:
    """A connection over two file descriptors."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink

    def receive(self) -> bytes:
        """Wait for bytes; return nothing at the end."""
        return os.read(self._source, _PIECE_BYTES)

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        while data:
            data = data[os.write(self._sink, data) :]

    def has_input(self) -> bool:
        """Return whether `receive` would return at once."""
        return bool(select.select([self._source], [], [], 0)[0])


class Conversation:
    """One debugger's commands and their answers.

    Args:
        stub: the target.
        link: the connection.
    """

    def __init__(self, stub: Stub, link: Link) -> None:
        self._stub = stub
        self._link = link
        self._decoder = Decoder()
        self._waiting: list[Packet | Signal] = []
        self._last = b""
        self._acknowledges = True
        self._is_gone = False

    def run(self) -> bool:
        """Answer until the debugger leaves; return whether it killed the target."""
        stub = self._stub
        stub.begin()
        stub.motion.is_interrupted = self._is_interrupted
        try:
            while self._fill():
                self._take(self._waiting.pop(0))
        except Leave as leave:
            self._say_goodbye()
            return leave.is_killed
        except OSError:
            pass  # the debugger has gone without a word
        finally:
            stub.motion.is_interrupted = lambda: False
        return False

    def say(self, text: str) -> None:
        """Print a text in gdb, which waits for a stop reply or the end of a command."""
        self._send(b"O" + words.to_hex(text.encode("utf-8", "replace")))

    def _fill(self) -> bool:
        """Wait until something has arrived; return whether there is anybody."""
        while not self._waiting and not self._is_gone:
            self._receive()
        return bool(self._waiting)

    def _receive(self) -> None:
        data = self._link.receive()
        self._is_gone = not data
        self._waiting += self._decoder.feed(data)

    def _take(self, item: Packet | Signal) -> None:
        match item:
            case Packet() if self._acknowledges and self._is_repeated(item):
                pass  # gdb, which waited too long, gets one answer
            case Packet(payload):
                self._answer(payload)
            case Signal.DAMAGED if self._acknowledges:
                self._link.send(REFUSED)
            case Signal.REFUSED if self._acknowledges:
                self._link.send(self._last)
            case _:
                pass  # a Ctrl-C that came too late, or an acknowledgement

    def _is_repeated(self, packet: Packet) -> bool:
        """Return whether the same packet waits once more; gdb sends no other one unanswered."""
        while not self._is_gone and self._link.has_input():
            self._receive()
        return packet in self._waiting

    def _answer(self, payload: bytes) -> None:
        if self._acknowledges:
            self._link.send(ACKNOWLEDGED)
        self._send(self._stub.handle(payload))
        self._acknowledges = not self._stub.wants_no_ack

    def _send(self, payload: bytes) -> None:
        self._last = frame(payload)
        self._link.send(self._last)

    def _is_interrupted(self) -> bool:
        """Return whether Ctrl-C has arrived, or the debugger has gone."""
        if not self._is_gone and self._link.has_input():
            self._receive()
        if Signal.INTERRUPT in self._waiting:
            self._waiting.remove(Signal.INTERRUPT)
            return True
        return self._is_gone

    def _say_goodbye(self) -> None:
        with contextlib.suppress(OSError):
            self._send(b"OK")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that takes connections.

    Raises:
        ConfigError: there is no such address, or somebody has it.
    """
    if not 0 <= port <= _LAST_PORT:
        raise ConfigError(f"port {port}: choose 0 to {_LAST_PORT}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error}") from error


class Server:
    """Lets one debugger after the other at a target.

    Args:
        stub: the target; its `say` must be this server's.
    """

    def __init__(self) -> None:
        self._conversation: Conversation | None = None

    def say(self, text: str) -> None:
        """Print a text in the debugger that is there."""
        if self._conversation is not None:
            self._conversation.say(text)

    def serve(self, stub: Stub, link: Link) -> bool:
        """Talk to one debugger; return whether it killed the target."""
        self._conversation = Conversation(stub, link)
        try:
            return self._conversation.run()
        finally:
            self._conversation = None

    def serve_socket(self, stub: Stub, listener: socket.socket) -> None:
        """Talk to one debugger after the other until one kills the target."""
        is_killed = False
        while not is_killed:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                is_killed = self.serve(stub, SocketLink(connection))
