"""The registers of a local APIC.

Source: Intel SDM volume 3A, sections "Local APIC State After Power-Up or Reset" and "Local APIC
State After It Receives an INIT Reset ("Wait-for-SIPI" State)".
"""

from dataclasses import dataclass, field, fields

from uniSMP.devices.apic_mode import ApicMode, mode_of
from uniSMP.devices.apic_timer import ApicTimerState
from uniSMP.devices.local_vector_table import reset_entries

SVR_ENABLE = 1 << 8
_SURVIVORS = ("base", "timer", "lint_levels", "ipis_sent")


@dataclass(slots=True)
class LocalApicState:
    """Registers of a local APIC; the three bitmaps hold vector v in bit v.

    Attributes:
        base: IA32_APIC_BASE.
        ldr: LDR of xAPIC mode (x2APIC mode derives its own).
        esr: what a read of the ESR shows.
        detected_errors: errors since the last write of the ESR.
        is_error_armed: whether the next error may interrupt.
        icr: both halves.
        lvt: LVT entries by register offset.
        lint_levels: electrical levels of the pins LINT0 and LINT1.
        ipis_sent: number of writes that sent an inter-processor interrupt; survives resets.
    """

    base: int
    tpr: int = 0
    ldr: int = 0
    dfr: int = 0xFFFF_FFFF
    svr: int = 0xFF
    isr: int = 0
    tmr: int = 0
    irr: int = 0
    esr: int = 0
    detected_errors: int = 0
    is_error_armed: bool = True
    icr: int = 0
    lvt: dict[int, int] = field(default_factory=reset_entries)
    timer: ApicTimerState = field(default_factory=ApicTimerState)
    lint_levels: list[bool] = field(default_factory=lambda: [False, False])
    ipis_sent: int = 0

    @property
    def mode(self) -> ApicMode:
        """Mode that IA32_APIC_BASE selects."""
        return mode_of(self.base)

    @property
    def is_software_enabled(self) -> bool:
        """Whether fixed interrupts are accepted (SVR bit 8; a disabled local APIC is reset)."""
        return bool(self.svr & SVR_ENABLE)

    def reset(self) -> None:
        """Put all into the state after INIT; IA32_APIC_BASE, the pins and time stay."""
        fresh = LocalApicState(self.base)
        for entry in fields(self):
            if entry.name not in _SURVIVORS:
                setattr(self, entry.name, getattr(fresh, entry.name))
