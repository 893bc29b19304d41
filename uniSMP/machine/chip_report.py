"""The interrupt chips as text. Nothing is read as a guest would: no side effects."""

from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.devices import interrupt_entry as bits
from uniSMP.devices.interrupt_entry import delivery_mode, destination_mode, trigger_mode
from uniSMP.devices.local_apic import LocalApic
from uniSMP.devices.pic8259 import PicState
from uniSMP.machine.machine import Machine

_LVT = {
    Reg.LVT_TIMER: "timer",
    Reg.LVT_THERMAL: "thermal",
    Reg.LVT_PERFORMANCE: "performance",
    Reg.LVT_LINT0: "LINT0",
    Reg.LVT_LINT1: "LINT1",
    Reg.LVT_ERROR: "error",
}
_DESTINATION_SHIFT = 56
_IF = 1 << 9


def vectors(bitmap: int) -> str:
    """Return the vectors in a bitmap, highest first."""
    found = [number for number in range(bitmap.bit_length()) if bitmap >> number & 1]
    return " ".join(f"{number:#04x}" for number in reversed(found)) or "none"


def _entry(entry: int) -> str:
    """Return the fields of an LVT or redirection entry."""
    mode = delivery_mode(entry)
    words = [
        f"vector {entry & bits.VECTOR_MASK:#04x}",
        "reserved mode" if mode is None else mode.name.lower(),
        trigger_mode(entry).name.lower(),
    ]
    words += ["active low"] if entry & bits.ACTIVE_LOW else []
    words += ["remote IRR"] if entry & bits.REMOTE_IRR else []
    words += ["masked"] if entry & bits.MASKED else []
    return ", ".join(words)


def describe_apic(apic: LocalApic) -> str:
    """Return the registers of a local APIC, a line each."""
    state, timer = apic.state, apic.state.timer
    pending = apic.pending_vector()
    enabled = "enabled" if apic.is_software_enabled() else "disabled"
    ready = "nothing" if pending is None else f"{pending:#04x}"
    lines = [
        f"local APIC of core {apic.core_id}: {state.mode.name.lower()}, {enabled}",
        f"  page {apic.base_address:#x}  SVR {state.svr:#x}  TPR {state.tpr:#x}  PPR {apic.ppr:#x}",
        f"  LDR {state.ldr:#x}  DFR {state.dfr:#x}  ICR {state.icr:#x}  ESR {state.esr:#x}",
        f"  requested (IRR) {vectors(state.irr)}",
        f"  in service (ISR) {vectors(state.isr)}",
        f"  deliverable {ready}, IPIs sent {state.ipis_sent}",
        f"  timer {timer.mode.name.lower()}, initial count {timer.initial_count}",
        f"  timer divide {timer.divide:#x}, TSC deadline {timer.tsc_deadline}",
    ]
    lines += [f"  LVT {name:<12}{_entry(state.lvt[register])}" for register, name in _LVT.items()]
    return "\n".join(lines) + "\n"


def describe_io_apic(machine: Machine) -> str:
    """Return the redirection entries, a line for each pin."""
    state = machine.devices.io_apic.state
    lines = [f"IOAPIC: IOREGSEL {state.select:#x}, ID {state.identification >> 24:#x}"]
    for pin, entry in enumerate(state.redirection):
        level = "high" if state.levels[pin] else "low"
        where = f"{destination_mode(entry).name.lower()} {entry >> _DESTINATION_SHIFT:#x}"
        lines.append(f"  pin {pin:2} {level:<4} to {where}: {_entry(entry)}")
    return "\n".join(lines) + "\n"


def describe_pic(machine: Machine) -> str:
    """Return the registers of both 8259A."""
    state = machine.devices.pic.state
    return _pic("master", state.master) + _pic("slave", state.slave)


def _pic(name: str, state: PicState) -> str:
    awaited = f", awaits ICW{state.next_icw}" if state.next_icw else ""
    return (
        f"8259A {name}: vectors from {state.icw2 & 0xF8:#04x}{awaited}\n"
        f"  lines {state.lines:08b}  latched {state.latches:08b}  in service {state.isr:08b}\n"
        f"  masked {state.imr:08b}  level {state.elcr:08b}  lowest priority {state.lowest}\n"
    )


def describe_interrupts(machine: Machine) -> str:
    """Return what waits, and what is served, on each core."""
    lines = []
    for core, apic in zip(machine.cores, machine.devices.local_apics, strict=True):
        flag = "1" if core.registers["rflags"] & _IF else "0"
        lines.append(
            f"core {core.id}: IF {flag}, PPR {apic.ppr:#04x}, requested "
            f"{vectors(apic.state.irr)}, in service {vectors(apic.state.isr)}; {core.state}"
        )
    pic = machine.devices.pic
    lines.append(f"8259A: INT is {'high' if pic.is_output_high else 'low'}")
    return "\n".join(lines) + "\n"
