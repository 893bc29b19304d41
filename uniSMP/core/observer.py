"""What somebody who watches a core is told, beside what the execution log holds."""

from typing import Protocol

from uniSMP.core.blocks import Instruction


class CoreObserver(Protocol):
    """Told of what happens, at the step at which it happens; changes nothing."""

    def look_at_mode(self, core_id: int) -> None:
        """The core stopped; its operating mode may have changed."""

    def exception(self, core_id: int, vector: int, error_code: int | None, cr2: int | None) -> None:
        """An exception is about to be delivered; `cr2` with a page fault."""

    def software_interrupt(self, core_id: int, vector: int) -> None:
        """INT n, INT3 or INTO is about to be delivered."""

    def system_instruction(self, core_id: int, instruction: Instruction) -> None:
        """An instruction that Python checks or emulates was executed; RIP is still at it."""
