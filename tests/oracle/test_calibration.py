"""The guest's APIC timer is calibrated even if the PIT ticked before: here and under QEMU.

QEMU's PIT keeps its output when a new mode is written (a real one lowers it), so an interrupt
request from before the calibration looks like the end of it.
"""

import sys
from pathlib import Path

from uniSMP import Image, Machine, Outcome, assemble

sys.path.insert(0, str(Path(__file__).parents[1]))
from under_qemu import run_qemu

_SOURCE = """
.include "boot/kernel.asm"
.include "interrupts/pit.asm"
.include "interrupts/apic_timer.asm"
.include "locks/swap_xchg.asm"
.code64
main:                                   ; exit value 1 if the rate is beyond 1,000,000 a millisecond
    mov edi, 119                        ; 0.1 ms
    call pit_start
    call pit_count
    mov ebx, eax
main_wait:                              ; until the count begins anew: IRQ 0 is requested
    call pit_count
    cmp eax, ebx
    mov ebx, eax
    jbe main_wait
    call apic_timer_calibrate
    xor eax, eax
    cmp dword ptr [apic_ticks_per_millisecond], 1000000
    seta al
    ret
pit_count:
    xor eax, eax
    out PORT_PIT_COMMAND, al
    in al, PORT_PIT_CHANNEL0
    mov ecx, eax
    in al, PORT_PIT_CHANNEL0
    shl eax, 8
    or eax, ecx
    ret
.include "boot/data.asm"
.include "boot/end.asm"
"""


def image() -> Image:
    return assemble(_SOURCE)


def test_calibration_with_an_old_request_is_right_here() -> None:
    with Machine() as machine:
        machine.load(image())
        assert machine.run(max_instructions=100_000_000).outcome is Outcome.FINISHED


def test_calibration_with_an_old_request_is_right_under_qemu(qemu: Path, tmp_path: Path) -> None:
    file = tmp_path / "calibration"
    file.write_bytes(image().data)
    assert run_qemu(qemu, file, 1)[0] == 0
