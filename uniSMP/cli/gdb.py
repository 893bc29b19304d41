"""`unismp gdb`: a target for the real gdb, live or from a recording."""

import signal
import sys
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uniSMP.cli.machine_options import (
    MachineOptions,
    machine_options,
    make_guest,
    refuse_machine_options,
)
from uniSMP.cli.trace_options import TraceOptions, make_writer
from uniSMP.errors import ConfigError
from uniSMP.machine.machine import Machine
from uniSMP.machine.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uniSMP.gdb.server import Server
    from uniSMP.gdb.stub import Stub
    from uniSMP.replay.timeline import Timeline
    from uniSMP.trace.writer import TraceWriter

_ZIP_MAGIC = b"PK\3\4"


@click.command("gdb")
@click.argument("target")
@click.option("--port", default=1234, show_default=True, help="TCP port; 0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--stdio", is_flag=True, help="Talk over standard input and output, not TCP.")
@machine_options
@click.pass_context
def command(
    context: click.Context,
    *,
    target: str,
    port: int,
    host: str,
    stdio: bool,
    options: MachineOptions,
) -> int:
    """Let gdb debug TARGET: a guest as `unismp run` takes it, or a recording.

    In gdb say `target remote :1234`, or `target remote | unismp gdb --stdio TARGET`. The machine
    stands at its first instruction; gdb gets the symbols from here. `kill` in gdb ends this
    command, `detach` leaves it to the next debugger.
    """
    address = None if stdio else (host, port)
    if is_recording(Path(target)):
        refuse_machine_options(context, "the recording says what the machine is; leave it out")
        with _recorded(Path(target)) as (timeline, guest):
            _serve(timeline, guest, address)
        return 0
    if options.serial == "-":
        raise ConfigError("--input -: standard input is not read here; give a file")
    guest, schedule, config = make_guest(target, options)
    from uniSMP.replay.live import LiveTimeline  # noqa: PLC0415 - needed by this command only

    machine = Machine(config)
    machine.load(guest.image)
    with LiveTimeline(machine, schedule, quantum=options.quantum) as timeline:
        _serve(timeline, guest, address)
    return 0


def is_recording(path: Path) -> bool:
    """Return whether a file begins as recordings do."""
    try:
        with path.open("rb") as file:
            return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    except OSError:
        return False


@contextmanager
def _recorded(path: Path) -> "Iterator[tuple[Timeline, Target]]":
    from uniSMP.replay.recording import Recording  # noqa: PLC0415 - needed by this command only
    from uniSMP.replay.replayer import Replayer  # noqa: PLC0415

    recording = Recording.open(path)
    with Replayer(recording) as replayer:
        yield replayer, recording.target


def _serve(timeline: "Timeline", guest: Target, address: tuple[str, int] | None) -> None:
    """Let debuggers at a target; `address` None is standard input and output."""
    from uniSMP.gdb import symbol_file  # noqa: PLC0415 - needed by this command only
    from uniSMP.gdb.files import Files  # noqa: PLC0415
    from uniSMP.gdb.monitor import Monitor  # noqa: PLC0415
    from uniSMP.gdb.server import Server  # noqa: PLC0415
    from uniSMP.gdb.stub import Stub  # noqa: PLC0415
    from uniSMP.gdb.tracing import Tracing  # noqa: PLC0415

    symbols = symbol_file.make(guest.image, guest.labels)
    name = f"/{Path(guest.name).stem}"
    files = Files({} if symbols is None else {name: symbols}, name if symbols else None)
    server = Server()
    tracing = Tracing(timeline, lambda directory: _make_writer(timeline, guest, directory))
    stub = Stub(timeline, Monitor(timeline, guest.labels, tracing), files, server.say)
    try:
        _talk(server, stub, address)
    finally:
        tracing.finish()


def _make_writer(timeline: "Timeline", guest: Target, directory: str) -> "TraceWriter":
    """Make the writer of a trace."""
    config = timeline.machine.config
    options = TraceOptions(directory, "memory", "", (), (), "", force=False)
    return make_writer(options, guest, {"cores": config.cores, "boot": config.boot})


def _talk(server: "Server", stub: "Stub", address: tuple[str, int] | None) -> None:
    """Talk to debuggers until one wants the target no more."""
    from uniSMP.gdb.server import PipeLink, listen  # noqa: PLC0415 - needed by this command only

    if address is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for gdb, which tells us
        server.serve(stub, PipeLink(sys.stdin.fileno(), sys.stdout.fileno()))
        return
    with listen(*address) as listener:
        host, port = listener.getsockname()[:2]
        click.echo(f"unismp: listening on {host}:{port}", err=True)
        if not ip_address(host).is_loopback:
            click.echo("unismp: warning: whoever reaches this port controls the target", err=True)
        server.serve_socket(stub, listener)
