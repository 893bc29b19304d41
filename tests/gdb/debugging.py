"""Scripts for the real gdb, and `unismp gdb` in a process of its own."""

import re
import socket
import subprocess
import sys
from pathlib import Path

LONGEST_SECONDS = 300
SETTINGS = (
    "set pagination off",
    "set confirm off",
    "set width 0",
    "set remotetimeout 120",
    "set style enabled off",
)
UNISMP = (sys.executable, "-m", "uniSMP", "gdb")


def run_gdb(gdb: Path, script: Path, *lines: str) -> str:
    """Let gdb run a script, and return everything it wrote."""
    script.write_text("\n".join((*SETTINGS, *lines)) + "\n")
    done = subprocess.run(
        [gdb, "-nx", "-batch", "-x", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    return done.stdout


class Stub:
    """`unismp gdb` in a process of its own.

    Attributes:
        port: where it listens.
        process: the process.
    """

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*UNISMP, *arguments, "--port", "0"], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        self.said = self.process.stderr.readline()
        found = re.fullmatch(r"unismp: listening on 127\.0\.0\.1:(\d+)\n", self.said)
        assert found, self.said + self.process.stderr.read()
        self.port = int(found[1])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LONGEST_SECONDS)

    def wait(self) -> int:
        return self.process.wait(LONGEST_SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


def exchange(connection: socket.socket, data: bytes, until: bytes) -> bytes:
    """Send bytes and return what arrives, up to `until`."""
    connection.sendall(data)
    received = b""
    while until not in received:
        piece = connection.recv(4096)
        assert piece, received
        received += piece
    return received


def pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes until either end is closed."""
    try:
        while data := source.recv(4096):
            sink.sendall(data)
    except OSError:
        pass
