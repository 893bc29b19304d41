"""A moment of a recording as people read it."""

import click

from uniSMP.cli.code_text import CodeText
from uniSMP.cli.ranges import parse_place
from uniSMP.machine.chip_report import describe_apic, describe_interrupts, describe_pic
from uniSMP.machine.host_input import MemoryInput
from uniSMP.machine.target import Target
from uniSMP.replay.conditions import Accessed
from uniSMP.replay.replayer import Replayer

_ROWS = (
    ("rax", "rbx", "rcx", "rdx"),
    ("rsi", "rdi", "rbp", "rsp"),
    ("r8", "r9", "r10", "r11"),
    ("r12", "r13", "r14", "r15"),
    ("cr0", "cr2", "cr3", "cr4"),
)
_SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
_INSTRUCTIONS = 6
_WORD_BYTES = 8
_MOST_BYTES = 1 << 20
_FLAGS = (
    *((0, "CF"), (2, "PF"), (4, "AF"), (6, "ZF"), (7, "SF"), (8, "TF"), (9, "IF"), (10, "DF")),
    *((11, "OF"), (14, "NT"), (16, "RF"), (17, "VM"), (18, "AC")),
)


def print_moment(replayer: Replayer, guest: Target, step: int, core_id: int | None) -> None:
    """Print the state at a step: each core, or one, and the interrupt hardware."""
    replayer.goto(step)
    machine = replayer.machine
    text = CodeText(machine, guest)
    cores = machine.cores if core_id is None else (machine.core(core_id),)
    running = replayer.history.core_of(replayer.step)
    click.echo(
        f"step {replayer.step:,} of {replayer.history.steps:,}, "
        f"{machine.parts.clock.now_ticks:,} ns of virtual time; core {running} runs next"
    )
    for core in cores:
        click.echo()
        _print_core(replayer, text, core.id)
    click.echo()
    for core in cores:
        click.echo(describe_apic(machine.devices.local_apics[core.id]), nl=False)
    click.echo(describe_pic(machine), nl=False)
    click.echo(describe_interrupts(machine), nl=False)


def _print_core(replayer: Replayer, text: CodeText, core_id: int) -> None:
    core = replayer.machine.core(core_id)
    registers = core.registers
    click.echo(f"core {core_id}: {core.state}, {core.instructions:,} instructions")
    flags = " ".join(name for bit, name in _FLAGS if registers["rflags"] >> bit & 1)
    click.echo(f"  rip {registers['rip']:#018x}  rflags {registers['rflags']:#x} {flags}")
    for row in _ROWS:
        click.echo("  " + "  ".join(f"{name:<3} {registers[name]:#018x}" for name in row))
    click.echo("  " + "  ".join(f"{name} {registers[name]:#06x}" for name in _SEGMENTS))
    for number, (address, code, line) in enumerate(
        text.instructions(core_id, core.linear_rip, _INSTRUCTIONS)
    ):
        pointer = "=>" if number == 0 else "  "
        click.echo(f"  {pointer} {address:#x}  {code:<24} {line:<36} {text.place(address)}")
    frames = text.backtrace(core_id)
    if frames:
        click.echo("  called from")
    for address in frames:
        click.echo(f"     {address:#x}  {text.place(address)}")


def print_last_write(replayer: Replayer, guest: Target, wanted: str, step: int | None) -> None:
    """Print who wrote a location last before a step, or before the end.

    Raises:
        ConfigError: the location cannot be understood.
    """
    name, _, size_text = wanted.partition(":")
    linear = parse_place(name, guest.labels, "--last-write")
    size = _WORD_BYTES
    if size_text:
        size = parse_place(size_text, {}, "--last-write")
    if not 1 <= size <= _MOST_BYTES:
        raise click.BadParameter(f"--last-write: {size} bytes: choose 1 to {_MOST_BYTES}")
    replayer.keep_snapshots()
    replayer.goto(replayer.history.steps if step is None else step)
    if step is None:
        replayer.goto_position(replayer.history.end)
    text = CodeText(replayer.machine, guest)
    end, items = replayer.step, replayer.items_done
    hit = replayer.reverse_continue(Accessed(linear, size, "w"))
    place = f"{size} bytes at {text.place(linear)}"
    by_host = _last_host_write(replayer, items, linear, size)
    if by_host is not None and (hit is None or by_host > hit.step):
        click.echo(f"step {by_host:,}: the host wrote the {place}")
        return
    if hit is None:
        click.echo(f"nobody wrote the {place} before step {end:,}")
        return
    core = replayer.machine.core(hit.core_id)
    before = core.read(linear, size)
    instruction = text.instruction(hit.core_id, hit.rip)
    replayer.step_core(hit.core_id)
    after = core.read(linear, size)
    click.echo(f"step {hit.step:,}: core {hit.core_id} wrote the {place}")
    click.echo(f"  {hit.rip:#x}  {instruction:<36} {text.place(hit.rip)}")
    if size <= _WORD_BYTES:
        click.echo(f"  {_number(before)} -> {_number(after)}")
    for address in text.backtrace(hit.core_id):
        click.echo(f"  called from {address:#x}  {text.place(address)}")


def _last_host_write(replayer: Replayer, items: int, linear: int, size: int) -> int | None:
    """Return the step at which the host last wrote there, by what core 0 maps there now."""
    core = replayer.machine.core(0)
    places = [
        place for place in (core.translate(linear + at) for at in range(size)) if place is not None
    ]
    for row, item in reversed(replayer.history.items[:items]):
        if isinstance(item, MemoryInput):
            written = range(item.physical, item.physical + len(item.data))
            if any(place in written for place in places):
                return replayer.history.begins(row)
    return None


def _number(data: bytes) -> str:
    return f"{int.from_bytes(data, 'little'):#x}"
