"""Running an image under QEMU."""

import subprocess
from pathlib import Path

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
