"""Visits of core 1 to the memory manager, for tests of checks."""

from histories import Access

from uniSMP.checks.history import WRITE

SYMBOLS = {"pmm_enter": 0x100, "pmm_exit": 0x110}
MEMORY = bytes(0x100) + bytes.fromhex("488b03 488b7b08 488b7310 90") + b"\x90" * 16
FRAME = 0x3000
RUN = [(1, rip) for rip in (0x100, 0x103, 0x107, 0x10B, 0x110, 0x111)]
"""Steps 0 to 5: operation, first and second argument, result, exit, and one behind."""


def operation(kind: int, first: int, second: int, result: int, step: int = 0) -> list[Access]:
    return [
        Access(step, 1, 0x100, FRAME, 8, 0, kind),
        Access(step + 1, 1, 0x103, FRAME + 8, 8, 0, first),
        Access(step + 2, 1, 0x107, FRAME + 16, 8, 0, second),
        Access(step + 3, 1, 0x10B, FRAME, 8, WRITE, result),
    ]
