"""Debuggers that come, go, press Ctrl-C and send nonsense, over TCP."""

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from debugging import LONGEST_SECONDS, SETTINGS, UNISMP, Stub, exchange, pass_on, run_gdb

from uniSMP import Machine, assemble
from uniSMP.replay.recorder import Recorder

LOOP_STEPS = 30_000_000


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of a loop that takes its time."""
    path = tmp_path_factory.mktemp("recording") / "loop.rec"
    with Machine(cores=1, memory_bytes=2 << 20, boot="long") as machine:
        machine.load(assemble("_start: inc rax\n mov [0x2000], rax\n jmp _start"))
        with Recorder(machine, path):
            machine.run(max_instructions=LOOP_STEPS)
    return path


@pytest.fixture
def stub(loop: Path) -> Iterator[Stub]:
    started = Stub(str(loop))
    yield started
    started.close()


def test_next_debugger_finds_what_the_last_one_left_and_kill_ends(
    gdb: Path, stub: Stub, tmp_path: Path
) -> None:
    remote = f"target remote 127.0.0.1:{stub.port}"
    run_gdb(gdb, tmp_path / "one.gdb", remote, "stepi", "stepi", "detach")
    out = run_gdb(gdb, tmp_path / "two.gdb", remote, "monitor step", "kill")
    assert "\nstep 2\n" in out
    assert stub.wait() == 0


def test_ctrl_c_in_gdb_stops_the_target(gdb: Path, stub: Stub, tmp_path: Path) -> None:
    script = tmp_path / "script.gdb"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        lines = (f"target remote 127.0.0.1:{port}", "watch *(long *)0x3000", "continue")
        script.write_text("\n".join((*SETTINGS, *lines, "monitor step", "kill")) + "\n")
        debugger = subprocess.Popen(
            [gdb, "-nx", "-batch", "-x", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        near, _ = listener.accept()
        with near, stub.connect() as far:
            answers = threading.Thread(target=pass_on, args=(far, near))
            answers.start()
            while data := near.recv(4096):
                far.sendall(data)
                if b"vCont;c" in data:
                    debugger.send_signal(signal.SIGINT)
            far.shutdown(socket.SHUT_WR)
            answers.join()
    out, _ = debugger.communicate(timeout=LONGEST_SECONDS)
    assert "received signal SIGINT" in out
    step = re.search(r"^step (\d+)$", out, re.MULTILINE)
    assert step
    assert int(step[1]) < LOOP_STEPS


def test_nonsense_does_not_take_it_down(stub: Stub) -> None:
    with stub.connect() as connection:
        connection.sendall(bytes(range(256)) * 64 + b"#00")
        for payload in (
            b"m",
            b"mzz,1",
            b"m0,ffffffffffffffff",
            b"Hg77",
            b"Z0",
            b"vCont;x",
            b"qXfer:",
        ):
            packet = b"$%b#%02x" % (payload, sum(payload) & 0xFF)
            exchange(connection, packet, b"#")
        assert exchange(connection, b"$qAttached#8f", b"$1#31").endswith(b"$1#31")
    with stub.connect() as connection:
        assert b"$1#31" in exchange(connection, b"$qAttached#8f", b"$1#31")


def test_debugger_that_vanishes_while_the_target_moves_is_followed_by_another(stub: Stub) -> None:
    with stub.connect() as connection:
        exchange(connection, b"$Z2,3000,8#" + b"%02x" % (sum(b"Z2,3000,8") & 0xFF), b"$OK#9a")
        connection.sendall(b"$vCont;c#a8")
    with stub.connect() as connection:
        assert b"$1#31" in exchange(connection, b"$qAttached#8f", b"$1#31")


def test_machine_options_with_a_recording_are_an_error_of_use(loop: Path) -> None:
    done = subprocess.run(
        [*UNISMP, str(loop), "--cores", "2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        "unismp: error: --cores: the recording says what the machine is; leave it out\n"
    )
