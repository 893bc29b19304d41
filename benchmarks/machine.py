"""The machine: interrupts, start, memory."""

import subprocess
import sys
from pathlib import Path

from entries import MILLION, Entry, cost_entry, median, seconds

from uniSMP import Image, Machine, assemble, assemble_file
from uniSMP.assembler import library

INTERRUPT_GUEST = """
.set VECTOR, 0x40
_start:
    lea rax, [rip + handler]
    mov word ptr [0x3000 + VECTOR * 16], ax
    mov word ptr [0x3000 + VECTOR * 16 + 2], 8
    mov word ptr [0x3000 + VECTOR * 16 + 4], 0x8E00
    shr rax, 16
    mov word ptr [0x3000 + VECTOR * 16 + 6], ax
    lidt [rip + idt]
    mov ecx, 0x1B
    rdmsr
    or eax, 0x400
    wrmsr
    mov ecx, 0x80F
    mov eax, 0x1FF
    xor edx, edx
    wrmsr
    sti
    mov ebx, COUNT
again:
    BODY
    dec ebx
    jnz again
    xor eax, eax
    out 0xF4, al
handler:
    HANDLER
    iretq
idt:
    .word 0x0FFF
    .quad 0x3000
"""

PING_GUEST = """
.set VECTOR, 0x40
_start:
    test edi, edi
    jnz other
    mov ebx, COUNT
    mov esi, 0xFEE00000
    mov dword ptr [rsi + 0xF0], 0x1FF
ready:
    pause
    cmp dword ptr [0x2004], 1
    jne ready
again:
    mov ebp, [0x2000]
    mov dword ptr [rsi + 0x310], 0x01000000
    mov dword ptr [rsi + 0x300], VECTOR
wait:
    pause
    cmp ebp, [0x2000]
    je wait
    dec ebx
    jnz again
    xor eax, eax
    out 0xF4, al
other:
    lea rax, [rip + handler]
    mov word ptr [0x3000 + VECTOR * 16], ax
    mov word ptr [0x3000 + VECTOR * 16 + 2], 8
    mov word ptr [0x3000 + VECTOR * 16 + 4], 0x8E00
    shr rax, 16
    mov word ptr [0x3000 + VECTOR * 16 + 6], ax
    lidt [rip + idt]
    mov esi, 0xFEE00000
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [0x2004], 1
    sti
idle:
    hlt
    jmp idle
handler:
    inc dword ptr [0x2000]
    mov dword ptr [rsi + 0xB0], 0
    iretq
idt:
    .word 0x0FFF
    .quad 0x3000
"""


def guest_cost(source: str, cores: int, count: int) -> float:
    """Return microseconds per repetition of a guest's loop, the same without it taken off."""
    taken = []
    for repetitions in (count, 1):
        image = assemble(f".set COUNT, {repetitions}\n{source}")
        with Machine(cores=cores, boot="long", memory_bytes=4 << 20) as machine:
            machine.load(image)
            taken.append(seconds(machine.run))
    return (taken[0] - taken[1]) / (count - 1) * MILLION


def interrupt_guest(body: str, handler: str = "") -> str:
    """Return a guest that runs `body` COUNT times, with `handler` behind vector 0x40."""
    return INTERRUPT_GUEST.replace("BODY", body).replace("HANDLER", handler)


def delivery_cost(count: int) -> float:
    """Return microseconds of delivering one external interrupt."""
    image = assemble(f".set COUNT, 1\n{interrupt_guest('int VECTOR')}")
    with Machine(cores=1, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(image)
        machine.run(max_instructions=20)
        core, registers = machine._cores[0], machine.core(0).registers  # noqa: SLF001
        stack, rip = registers["rsp"], registers["rip"]

        def deliver() -> None:
            for _ in range(count):
                registers["rsp"] = stack
                registers["rip"] = rip
                core.deliver_interrupt(0x40)

        return seconds(deliver) / count * MILLION


def start_cost(image: Image) -> float:
    """Return milliseconds until a machine of 4 cores is ready to run."""

    def start() -> None:
        machine = Machine(cores=4)
        machine.load(image)
        machine.close()

    return seconds(start) * 1000


def memory_per_core() -> float:
    """Return MiB of resident memory for each core beyond the first, after running on all."""
    peaks = []
    for cores in (1, 17):
        finished = subprocess.run(
            [sys.executable, __file__, "--peak", str(cores)],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(float(finished.stdout))
    return (peaks[1] - peaks[0]) / 16


def print_peak(cores: int) -> None:
    """Print the peak resident set in MiB of a process that ran `smp_hello` on `cores` cores."""
    with Machine(cores=cores) as machine:
        machine.load(assemble_file(library.program_path("smp_hello")))
        machine.run()
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM:"))
    print(int(peak.split()[1]) / 1024)


def measure() -> list[Entry]:
    """Measure everything."""
    image = assemble_file(library.program_path("pmm_smp"))
    software = interrupt_guest("int VECTOR")
    to_self = interrupt_guest(
        "mov ecx, 0x830\n xor edx, edx\n mov eax, VECTOR\n wrmsr",
        "mov ecx, 0x80B\n xor eax, eax\n xor edx, edx\n wrmsr",
    )
    return [
        cost_entry("interrupt delivery", median(lambda: delivery_cost(20_000)), "us", 10),
        cost_entry("software interrupt", median(lambda: guest_cost(software, 1, 20_000)), "us"),
        cost_entry("IPI", median(lambda: guest_cost(to_self, 1, 5_000)), "us"),
        cost_entry("IPI to another core", median(lambda: guest_cost(PING_GUEST, 2, 2_000)), "us"),
        cost_entry("machine start", median(lambda: start_cost(image)), "ms"),
        cost_entry("memory per core", memory_per_core(), "MiB"),
    ]


if __name__ == "__main__":
    print_peak(int(sys.argv[2]))
