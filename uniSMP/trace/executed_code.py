"""The bytes and the text of instructions as they were executed.

Code can change while it runs, so an address is not enough: the block that was executed at the step
tells.
"""

from collections.abc import Sequence
from itertools import starmap
from typing import NamedTuple

from uniSMP.trace.reader import Trace
from uniSMP.trace.text import disassemble

_LONGEST_BLOCK = 512
"""Instructions that the engine translates as one piece at most."""
_BLOCKS = f"""
    WITH wanted AS (SELECT unnest($steps) AS step),
    place AS (
        SELECT step, step // {_LONGEST_BLOCK} AS place FROM wanted
        UNION ALL SELECT step, step // {_LONGEST_BLOCK} - 1 FROM wanted
    )
    SELECT p.step, e.block FROM executions e
    JOIN place p ON e.step // {_LONGEST_BLOCK} = p.place
    WHERE e.step > $first - {_LONGEST_BLOCK} AND e.step <= $last
        AND e.step <= p.step AND p.step < e.step + e.instructions
"""  # noqa: S608 - a number of ours
"""The block at each step; a block begins in the same stretch of steps or in the one before."""


class Code(NamedTuple):
    """An instruction: its bytes and its text, both empty where the trace does not have them."""

    data: bytes
    text: str


_UNKNOWN = Code(b"", "")


class ExecutedCode:
    """Finds instructions of a trace.

    Args:
        trace: the trace; below level blocks nothing is found.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._blocks: dict[int, dict[int, Code]] = {}

    def find(self, steps: Sequence[int], rips: Sequence[int]) -> list[Code]:
        """Return the instruction that was executed at each step.

        Args:
            steps: in rising order.
            rips: its linear address, for each step.

        Raises:
            FormatError: the trace is damaged.
        """
        if not steps or not self._trace.has("executions"):
            return [_UNKNOWN] * len(steps)
        rows = self._trace.rows(
            _BLOCKS, {"steps": list(steps), "first": steps[0], "last": steps[-1]}
        )
        blocks = {row["step"]: row["block"] for row in rows}
        self._decode(set(blocks.values()))

        def look_up(step: int, rip: int) -> Code:
            return self._blocks.get(blocks.get(step, -1), {}).get(rip, _UNKNOWN)

        return list(starmap(look_up, zip(steps, rips, strict=True)))

    def _decode(self, numbers: set[int]) -> None:
        unknown = sorted(numbers - self._blocks.keys())
        if not unknown:
            return
        rows = self._trace.rows(
            "SELECT block, address, bits, code FROM blocks WHERE list_contains($blocks, block)",
            {"blocks": unknown},
        )
        for row in rows:
            lines = disassemble(row["code"], row["address"], row["bits"])
            self._blocks[row["block"]] = {at: Code(code, text) for at, code, text in lines}
