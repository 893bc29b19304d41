"""The same image, unmodified, gives the same verdict under QEMU."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from uniSMP import Image, Machine

sys.path.insert(0, str(Path(__file__).parents[1]))
from under_qemu import run_qemu

Program = Callable[[str], Image]
SOUND_PROTOCOLS = (
    "swap_xchg", "swap_return", "freeze_ordered", "delegate", "tas", "ttas", "ticket", "mcs",
)  # fmt: skip
# On one core nothing is shared. tas_irqon is not here: when an interrupt comes decides.
BROKEN_PROTOCOLS = ("cli_only", "swap_naive", "freeze_naive", "delegate_irqoff")


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
        ("litmus_lastzero", 4),
        ("litmus_store_buffering_fenced", 2),
        ("litmus_spin", 2),
        ("litmus_cas", 4),
        ("explore_pmm", 4),
        ("window_arrival", 2),
        *((f"lock_{protocol}", 4) for protocol in SOUND_PROTOCOLS),
        *((f"pair_{protocol}", 4) for protocol in SOUND_PROTOCOLS),
        *((f"lock_{protocol}", 1) for protocol in BROKEN_PROTOCOLS),
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
    assert there[1][-1:] == here[1][-1:]
