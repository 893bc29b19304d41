"""What exploration says of a protocol of `guest/locks`: the one place where verdicts come from.

No exploration is connected here yet: every protocol is "not explored", which is no verdict.
"""

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Budget:
    """What the exploration of one protocol may take.

    Attributes:
        executions: at most so many; None: as many as the bound has.
        traces: folder, relative to the working directory, where counterexamples are written.
    """

    executions: int | None = None
    traces: str = "traces"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found within a bound.

    Attributes:
        verdict: whether an execution violates a property, or none within the bound does.
        property: the property that is violated; of one that holds, all that were checked.
        bound: which executions were looked at, for people.
        executions: how many.
        counterexample: path of the recording that violates the property; None where it holds.
    """

    verdict: Literal["violated", "holds"]
    property: str
    bound: str
    executions: int
    counterexample: str | None

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the attributes by name."""
        return asdict(self)


def verdict(_name: str, _budget: Budget) -> Verdict | None:
    """Return the verdict on a protocol; None: it has not been explored.

    Deterministic: the same protocol and budget have the same verdict.
    """
    return None
