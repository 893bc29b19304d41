"""What is said of opaque handlers: those that change what they interrupt, or look at it.

Where every instruction of their cores counted as an event, all their arrivals were tried, as far as
a strategy tries anything; of others that is not so, and nothing can be said to hold. A
non-maskable interrupt comes where others cannot, so that of its handler it is never said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from uniSMP.explore.schedule import NMI
from uniSMP.explore.strategy import Execution

_TRIED, _MISSED = "opaque handler: ", "opaque handler, not tried at every instruction: "
"""Begin names in `JobResult.counts` of executions with one; vector and what it does follow."""
REPEATED = "before a handler was known to be opaque"
"""Name in `JobResult.counts`: executions that were run again, with more events."""


@dataclass(frozen=True, slots=True)
class OpaqueHandler:
    """A handler that makes a difference wherever it comes.

    Attributes:
        vector: that it has, or NMI.
        does: such as "changes rax", "reads flags".
        is_tried: whether it was let come at every instruction of what it interrupts.
    """

    vector: int
    does: tuple[str, ...]
    is_tried: bool

    def __str__(self) -> str:
        """Return a sentence."""
        name = "NMI" if self.vector == NMI else f"vector {self.vector:#x}"
        what = f"the handler of {name} {', '.join(self.does)} of what it interrupts"
        if self.is_tried:
            return f"{what}: every instruction there counts as an event"
        return f"{what}: arrivals between events were not all looked at"


def opaque_counts(execution: Execution, stepwise: frozenset[int]) -> Iterable[str]:
    """Yield the names under which an execution counts.

    Args:
        execution: the execution.
        stepwise: cores of which every instruction counts as an event in all executions.
    """
    for (core, vector), does in execution.opaque.items():
        prefix = _TRIED if core in stepwise and vector != NMI else _MISSED
        for each in does:
            yield f"{prefix}{vector:#x} {each}"


def opaque_handlers(counts: Mapping[str, int]) -> list[OpaqueHandler]:
    """Return the opaque handlers that were seen, by vector."""
    found: dict[int, set[str]] = {}
    missed: set[int] = set()
    for name, count in counts.items():
        for prefix in (_TRIED, _MISSED) if count else ():
            if name.startswith(prefix):
                vector, _, does = name.removeprefix(prefix).partition(" ")
                found.setdefault(int(vector, 16), set()).add(does)
                missed |= {int(vector, 16)} if prefix == _MISSED else set()
    return [
        OpaqueHandler(vector, tuple(sorted(does)), vector not in missed)
        for vector, does in sorted(found.items())
    ]
