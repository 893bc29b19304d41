"""The parts of one machine, for those who record, replay and explore it."""

from collections.abc import Sequence
from dataclasses import dataclass

from uniSMP.core.block_catalog import BlockCatalog
from uniSMP.core.core import Core
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.machine.board import Board
from uniSMP.machine.coherence import CodeCoherence
from uniSMP.machine.run_loop import RunLoop
from uniSMP.machine.virtual_clock import VirtualClock
from uniSMP.memory.ram import Ram


@dataclass(frozen=True, slots=True)
class MachineParts:
    """Everything whose state makes a machine's state, and the log of what it executes."""

    ram: Ram
    cores: Sequence[Core]
    board: Board
    clock: VirtualClock
    coherence: CodeCoherence
    loop: RunLoop
    log: ExecutionLog
    catalog: BlockCatalog
