"""One number for all a guest could observe: RAM, architectural registers, chips."""

import hashlib
from collections.abc import Iterable

from uniSMP.core.core import Core
from uniSMP.core.registers import architectural_state
from uniSMP.machine.board import Board
from uniSMP.memory.ram import Ram


def digest(ram: Ram, cores: Iterable[Core], board: Board, now_ticks: int) -> str:
    """Return the SHA-256 (hex) over RAM, the state of each core in turn, and the chips."""
    result = hashlib.sha256(ram.view)
    for core in cores:
        result.update(architectural_state(core))
    result.update(board.state(now_ticks))
    return result.hexdigest()
