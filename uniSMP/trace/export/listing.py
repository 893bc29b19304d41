"""Every instruction of the blocks that a trace knows, decoded once."""

import numpy as np
import numpy.typing as npt

from uniSMP.trace.reader import Trace
from uniSMP.trace.text import disassemble

Words = npt.NDArray[np.int64]
UNKNOWN = "(unknown)"


class Listing:
    """The instructions of all blocks; the last row stands for code that no block has.

    Args:
        trace: it has blocks.

    Attributes:
        address: linear address of each instruction.
        code: its bytes.
        text: it, disassembled.
        first: row of the first instruction of each block, by the block's number.
    """

    def __init__(self, trace: Trace) -> None:
        trace.require("blocks")
        addresses: list[int] = []
        self.code: list[bytes] = []
        self.text: list[str] = []
        firsts: dict[int, int] = {}
        for row in trace.rows(
            "SELECT block, address, bits, code, offsets FROM blocks ORDER BY block"
        ):
            firsts[row["block"]] = len(self.code)
            known = {
                place: text
                for place, _code, text in disassemble(row["code"], row["address"], row["bits"])
            }
            ends = [*row["offsets"][1:], len(row["code"])]
            for begin, end in zip(row["offsets"], ends, strict=True):
                place = row["address"] + begin
                addresses.append(place)
                self.code.append(row["code"][begin:end])
                self.text.append(known.get(place, UNKNOWN))
        self.address = np.array([*addresses, 0], dtype=np.uint64)
        self.code.append(b"")
        self.text.append(UNKNOWN)
        self.first = np.zeros(max(firsts, default=0) + 1, dtype=np.int64)
        for number, first in firsts.items():
            self.first[number] = first
        order = np.argsort(self.address[:-1], kind="stable")
        self._order = order
        self._sorted = self.address[order]

    def find(self, addresses: npt.NDArray[np.uint64]) -> Words:
        """Return the row of each address; of several, that of the block that was met last."""
        place = np.searchsorted(self._sorted, addresses, side="right") - 1
        is_known = place >= 0
        if len(self._sorted):
            is_known &= self._sorted[place] == addresses
            return np.where(is_known, self._order[place], len(self.text) - 1)
        return np.full(len(addresses), len(self.text) - 1, dtype=np.int64)
