"""The commands behind `monitor`."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from uniSMP import Image, Machine
from uniSMP.gdb.monitor import Monitor

Debugger = Any


def test_help_names_every_command(debugger: Debugger) -> None:
    text = debugger.monitor("help")
    for name in ("apic", "pic", "ioapic", "pmm", "interrupts", "trace", "goto", "phys"):
        assert f"\n{name}" in f"\n{text}"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("apic", "local APIC of core 0: xapic, enabled"),
        ("apic 1", "local APIC of core 1: xapic, disabled"),
        ("apic 9", "apic: core 9: this machine has cores 0 to 1"),
        ("pic", "8259A master: vectors from 0x08"),
        ("ioapic", "  pin 23 low  to physical 0x0: vector 0x00, fixed, edge, masked"),
        ("interrupts", "core 1: IF 0, PPR 0x00, requested none, in service none"),
        ("cores", "core 1: running at rip 0x100000 (_start)"),
        ("step", "step 0\n"),
        ("phys 0x100000 4", "0x00100000  f0 ff 04 25\n"),
        ("phys 0xFEE00000 4", "phys: 4 bytes at 0xfee00000 lie outside RAM and ROM"),
        ("phys 0 100000", "phys: 100000 bytes: choose 1 to 4096"),
        ("phys x", "phys: 'x' is no number"),
        ("disasm 1", "0x100000 _start                   lock inc dword ptr [0x100020]\n"),
        ("pmm", "pmm: the image has no symbol pmm_managed_count"),
        ("goto", "goto: to which step?"),
        ("goto -1", "goto: '-1' is no number"),
        ("trace on", "trace: say `trace on DIR` or `trace off`"),
        ("trace on /none", "trace: cannot write /none"),
        ("console", ""),
        ("trace off", "trace: there is no trace to end"),
        ("jump", "there is no command jump"),
    ],
)
def test_command_says(debugger: Debugger, command: str, expected: str) -> None:
    assert expected in debugger.monitor(command)


def test_goto_moves_both_ways(past: Debugger) -> None:
    assert past.monitor("goto 5").startswith("step 5\n")
    assert past.timeline.step == 5
    assert past.monitor("goto 0x2").startswith("step 2\n")
    assert "ends at" in past.monitor("goto 1000")


def test_place_at_the_end_tells_the_outcome(past: Debugger) -> None:
    past("vCont;c")
    assert past.monitor("step").endswith("FINISHED, the guest wrote 0 to the debug-exit port\n")


def test_pmm_shows_lists_and_judges_them(program: Callable[[str], Image]) -> None:
    image = program("pmm_ops")
    with Machine(cores=1) as machine:
        machine.load(image)
        machine.run(max_instructions=400_000)
        target: Any = SimpleNamespace(machine=machine, step=machine.steps, ending=None)
        text = Monitor(target, image.symbols, target).run("pmm", 0)
    assert "managed " in text
    assert "free: " in text
    assert text.endswith("all invariants hold\n")
