"""Speed of untraced code on 4 cores, beside one raw engine without hooks, and beside QEMU.

The raw engine has a copy of the machine's RAM and of core 0's state, so it runs the same code with
the same page tables. Its loop ends by a counter and HLT; the product's by a limit of instructions.
"""

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import unicorn
from entries import MILLION, ROUNDS, Entry, seconds, side_by_side
from unicorn import x86_const as x86

from uniSMP import Image, Machine, Outcome, RoundRobin, assemble, assemble_file
from uniSMP.assembler import library
from uniSMP.core import context as cx
from uniSMP.core import engine_build

CORES = 4
QUANTA = {1_000: 0.25, 10_000: 0.8, 100_000: 0.9}
"""Least ratio to the raw engine, by quantum."""
_MEMORY_BYTES = 16 << 20
_DATA = 0x60_0000
_NO_EXECUTE = 1 << 63
_BIG_PAGE = 0x83

SET_UP = """
_start:
    mov ecx, 0xC0000080             # EFER
    rdmsr
    or eax, 0x800                   # NXE
    wrmsr
    mov edi, 0x600000
    mov r15d, 0x7FFFFFFF
again:
"""


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop that counts R15 down and halts.

    Attributes:
        name: what its blocks are.
        body: its code, from the label `again` on.
        instructions: of one round.
    """

    name: str
    body: str
    instructions: int


LOOPS = (
    Loop(
        "blocks of 10",
        """
    mov rax, [rdi]
    add rax, rcx
    mov [rdi + 8], rax
    xor rdx, rax
    add rcx, 3
    lea rsi, [rdx + rcx]
    and rsi, 0xFFF
    sub rbp, rsi
    dec r15
    jnz again
    hlt
""",
        10,
    ),
    Loop(
        "blocks of 3-4",
        """
    mov ecx, 512
fill:
    mov [rdi + rcx * 8 - 8], rcx
    dec ecx
    jnz fill
    mov ecx, 512
check:
    cmp [rdi + rcx * 8 - 8], rcx
    jne over
    dec ecx
    jnz check
    dec r15d
    jnz again
over:
    hlt
""",
        512 * 7 + 4,
    ),
)
_PEER_INSTRUCTIONS = 50_000_000


def _machine(loop: Loop, *, is_executable: bool) -> Machine:
    """Return a machine that has run the loop for a while."""
    machine = Machine(cores=CORES, boot="long", memory_bytes=_MEMORY_BYTES)
    machine.load(assemble(SET_UP + loop.body))
    if not is_executable:
        pointers = machine.memory.read_integer(machine.core(0).registers["cr3"], 8) & ~0xFFF
        directory = machine.memory.read_integer(pointers, 8) & ~0xFFF
        entry = directory + 8 * (_DATA >> 21)
        machine.memory.write_integer(entry, _DATA | _BIG_PAGE | _NO_EXECUTE, 8)
    return machine


def _raw_engine(machine: Machine) -> unicorn.Uc:
    """Return an engine without hooks in the state of core 0."""
    engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    engine.ctl_set_cpu_model(x86.UC_CPU_X86_BROADWELL)
    engine.mem_map(0, _MEMORY_BYTES)
    engine.mem_write(0, bytes(machine.memory.read(0, _MEMORY_BYTES)))
    engine.reg_read(x86.UC_X86_REG_RIP)  # the library sets up the CPU
    handle = engine_build.handle_of(engine)
    cpu = ctypes.c_uint64.from_address(handle + engine_build.CPU_POINTER).value
    core: Any = machine._cores[0]  # noqa: SLF001 - the state is copied whole
    state = bytes(core.engine.context.save())
    ctypes.memmove(cpu + engine_build.ENV_IN_CPU, state, cx.SIZE_BYTES)
    return engine


def _raw_speed(loop: Loop, *, is_executable: bool) -> float:
    """Return millions of instructions a second of one raw engine."""
    with _machine(loop, is_executable=is_executable) as machine:
        machine.run(RoundRobin(1000), max_instructions=CORES * 20_000)
        engine = _raw_engine(machine)
        label = machine.symbols["again"]
    engine.reg_write(x86.UC_X86_REG_R15, 3)
    engine.emu_start(label, 0)
    rounds = _PEER_INSTRUCTIONS // loop.instructions
    engine.reg_write(x86.UC_X86_REG_R15, rounds)
    taken = seconds(lambda: engine.emu_start(label, 0))
    return rounds * loop.instructions / taken / MILLION


def _our_speed(loop: Loop, quantum: int, *, is_executable: bool, instructions: int) -> float:
    """Return millions of instructions a second of the product."""
    with _machine(loop, is_executable=is_executable) as machine:
        schedule = RoundRobin(quantum)
        machine.run(schedule, max_instructions=CORES * (8 * quantum + 100_000))
        before = machine.steps
        taken = seconds(lambda: machine.run(schedule, max_instructions=instructions))
        return (machine.steps - before) / taken / MILLION


def raw_entries() -> list[Entry]:
    """Measure the product beside a raw engine."""
    _our_speed(LOOPS[0], 10_000, is_executable=True, instructions=100_000)  # code is loaded
    return [
        _raw_entry(loop, quantum, least, is_executable=is_executable)
        for loop in LOOPS
        for is_executable in (False, True)
        for quantum, least in QUANTA.items()
    ]


def _raw_entry(loop: Loop, quantum: int, least: float, *, is_executable: bool) -> Entry:
    def ours() -> float:
        most = min(60_000_000, 20_000 * quantum)
        return _our_speed(loop, quantum, is_executable=is_executable, instructions=most)

    return side_by_side(
        f"{loop.name}, {'' if is_executable else 'NX '}data, {quantum:,}",
        "M instr/s",
        ours,
        lambda: _raw_speed(loop, is_executable=is_executable),
        least,
    )


def _qemu_seconds(qemu: str, image: Path) -> float:
    """Return how long QEMU runs an image."""
    return seconds(
        lambda: subprocess.run(
            [
                qemu, "-kernel", image, "-smp", str(CORES), "-m", "64", "-display", "none",
                "-accel", "tcg,thread=single", "-icount", "shift=0", "-serial", "none",
                "-no-reboot", "-monitor", "none",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4",
            ],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False,
        )
    )  # fmt: skip


def _run_seconds(image: Image, quantum: int) -> float:
    """Return how long the product runs an image, the start of the machine not counted."""
    with Machine(cores=CORES) as machine:
        machine.load(image)
        start = time.perf_counter()
        result = machine.run(RoundRobin(quantum))
        taken = time.perf_counter() - start
    assert result.outcome is Outcome.FINISHED
    return taken


def qemu_entries() -> list[Entry]:
    """Measure `pmm_smp` beside QEMU; nothing where it is not installed."""
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        return []
    image = assemble_file(library.program_path("pmm_smp"))
    trivial = assemble_file(library.program_path("hello"))
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, each in (("guest", image), ("trivial", trivial)):
            files[name] = Path(folder) / name
            files[name].write_bytes(each.data)
        start = min(_qemu_seconds(qemu, files["trivial"]) for _ in range(ROUNDS))

        def peer() -> float:
            return 1 / max(_qemu_seconds(qemu, files["guest"]) - start, 1e-3)

        def ours(quantum: int) -> Callable[[], float]:
            return lambda: 1 / _run_seconds(image, quantum)

        return [
            side_by_side(f"pmm_smp by QEMU, {quantum:,}", "runs/s", ours(quantum), peer, None)
            for quantum in QUANTA
        ]


def measure() -> list[Entry]:
    """Measure everything."""
    return [*raw_entries(), *qemu_entries()]
