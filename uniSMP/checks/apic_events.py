"""Which events are writes to registers of a core's own local APIC, in either of its modes.

Source: Intel SDM volume 3A, table "Local APIC Register Address Map Supported by x2APIC".
"""

from uniSMP.arch.apic import LOCAL_APIC_BASE, X2APIC_MSR_BASE
from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.checks.history import Event


def is_write_of(event: Event, register: Reg) -> bool:
    """Return whether a core wrote `register` of its local APIC."""
    if event.kind == "mmio_write":
        return event.address == LOCAL_APIC_BASE + register
    return event.kind == "msr_write" and event.address == X2APIC_MSR_BASE + (register >> 4)


def task_priority(event: Event) -> int:
    """Return what an event sets TPR to, or -1 where it does not."""
    if event.kind == "control_register_write" and event.detail == "cr8":
        return (event.value & 0xF) << 4
    return event.value & 0xFF if is_write_of(event, Reg.TPR) else -1
