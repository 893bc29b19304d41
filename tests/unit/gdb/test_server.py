"""A conversation: acknowledgements, Ctrl-C, debuggers that leave or vanish."""

import os
import socket
from typing import Any

import pytest

from uniSMP.errors import ConfigError
from uniSMP.gdb.packets import Decoder, Packet, Signal, frame
from uniSMP.gdb.server import PipeLink, Server, SocketLink, listen

Debugger = Any


class ScriptedLink:
    """Hands out what a debugger sends, piece by piece, and keeps what it is sent."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.sent = b""

    def receive(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def send(self, data: bytes) -> None:
        self.sent += data

    def has_input(self) -> bool:
        return not self._pieces or not self._pieces[0].startswith(b"$")

    @property
    def answers(self) -> list[str]:
        found = Decoder().feed(self.sent)
        return [item.payload.decode() for item in found if isinstance(item, Packet)]


def serve(debugger: Debugger, *pieces: bytes) -> tuple[ScriptedLink, bool]:
    link = ScriptedLink(*pieces)
    return link, Server().serve(debugger.stub, link)


def test_packets_are_acknowledged_until_gdb_wants_it_no_more(debugger: Debugger) -> None:
    packets = (b"qAttached", b"QStartNoAckMode", b"qAttached")
    link, _ = serve(debugger, *map(frame, packets))
    found = Decoder().feed(link.sent)
    assert [type(item) for item in found] == [Signal, Packet, Signal, Packet, Packet]


def test_damaged_packet_is_asked_for_again(debugger: Debugger) -> None:
    link, _ = serve(debugger, b"$qAttached#00" + frame(b"qAttached"))
    assert link.sent.startswith(b"-+$1#31")


def test_answer_is_sent_again_when_gdb_did_not_get_it(debugger: Debugger) -> None:
    link, _ = serve(debugger, frame(b"qAttached") + b"-")
    assert link.sent == b"+$1#31$1#31"


def test_packet_that_was_repeated_for_lack_of_an_answer_is_answered_once(
    debugger: Debugger,
) -> None:
    link, _ = serve(debugger, frame(b"qAttached"), b"+" + frame(b"qAttached"), frame(b"qC"))
    assert link.answers == ["1", "QC1"]


def test_ctrl_c_stops_the_target(debugger: Debugger) -> None:
    link, _ = serve(debugger, frame(b"vCont;c"), b"\x03", frame(b"qC"))
    assert link.answers[0].startswith("T02thread:1;")
    assert link.answers[1] == "QC1"


def test_ctrl_c_that_comes_too_late_is_dropped(debugger: Debugger) -> None:
    link, _ = serve(debugger, b"\x03" + frame(b"qC"))
    assert link.answers == ["QC1"]


def test_debugger_that_vanishes_stops_the_target(debugger: Debugger) -> None:
    _, is_killed = serve(debugger, frame(b"vCont;c"))
    assert not is_killed
    assert debugger.timeline.ending is None


def test_next_debugger_finds_no_breakpoints_of_the_last_one(debugger: Debugger) -> None:
    point = f"Z0,{debugger.at('wait')},1".encode()
    serve(debugger, frame(point), frame(b"D"))
    debugger.stub.begin()
    assert debugger("vCont;c").startswith("T05replaylog:end;")


@pytest.mark.parametrize(("packet", "is_killed"), [(b"D", False), (b"k", True), (b"vKill;1", True)])
def test_detach_waits_for_the_next_and_kill_ends(
    debugger: Debugger,
    packet: bytes,
    is_killed: bool,  # noqa: FBT001 - a case of the test
) -> None:
    link, was_killed = serve(debugger, frame(packet) + frame(b"qC"))
    assert (link.answers, was_killed) == (["OK"], is_killed)


def test_garbage_is_no_reason_to_leave(debugger: Debugger) -> None:
    link, _ = serve(debugger, bytes(range(256)) * 4 + b"#00", frame(b"qC"))
    assert link.answers[-1] == "QC1"


def test_texts_are_printed_while_the_target_moves(debugger: Debugger) -> None:
    server = Server()
    debugger.stub.motion._say = server.say
    link = ScriptedLink(frame(b"QStartNoAckMode") + frame(b"vCont;c"))
    link.has_input = lambda: False  # type: ignore[method-assign]
    server.serve(debugger.stub, link)
    assert bytes.fromhex(link.answers[1][1:]).startswith(b"FINISHED")
    assert link.answers[2].startswith("T05replaylog:end;")


def test_sockets_and_pipes_carry_bytes() -> None:
    one, other = socket.socketpair()
    source, sink = os.pipe()
    for link in (SocketLink(one), PipeLink(source, sink)):
        assert not link.has_input()
    SocketLink(other).send(b"abc")
    assert (SocketLink(one).has_input(), SocketLink(one).receive()) == (True, b"abc")
    PipeLink(source, sink).send(b"xyz")
    assert PipeLink(source, sink).receive() == b"xyz"
    other.close()
    assert SocketLink(one).receive() == b""
    one.close()
    os.close(source)
    os.close(sink)


def test_port_that_is_taken_is_an_error_in_one_line() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            listen("127.0.0.1", port)
    with pytest.raises(ConfigError):
        listen("127.0.0.1", 70_000)
