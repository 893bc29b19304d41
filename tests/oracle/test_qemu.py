"""The same image, unmodified, gives the same verdict under QEMU."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from uniSMP import Image, Machine

Program = Callable[[str], Image]
_SECONDS = 240


def run_qemu(qemu: Path, image: Path, cores: int) -> tuple[int, list[str]]:
    """Return the value the guest wrote to the debug-exit port, and the lines it printed."""
    finished = subprocess.run(
        [
            qemu, "-kernel", image, "-smp", str(cores), "-m", "64", "-display", "none",
            "-serial", "stdio", "-no-reboot", "-monitor", "none",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4",
        ],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    return finished.returncode >> 1, finished.stdout.decode().splitlines()


def run_here(image: Image, cores: int) -> tuple[int | None, list[str]]:
    with Machine(cores=cores) as machine:
        machine.load(image)
        result = machine.run(max_instructions=2_000_000_000)
    return result.exit_value, result.console.decode().splitlines()


@pytest.mark.parametrize(
    ("name", "cores"),
    [
        ("hello", 1),
        ("fail", 1),
        ("smp_hello", 4),
        ("timer_tick", 1),
        ("ioapic_pit", 1),
        ("ipi_ping", 4),
        ("pmm_smp", 1),
        ("pmm_smp", 4),
    ],
)
def test_program_gives_the_same_verdict_as_qemu(
    qemu: Path, program: Program, tmp_path: Path, name: str, cores: int
) -> None:
    image = program(name)
    file = tmp_path / name
    file.write_bytes(image.data)
    there = run_qemu(qemu, file, cores)
    here = run_here(image, cores)
    assert there[0] == here[0]
    assert there[1][-1] == here[1][-1]
