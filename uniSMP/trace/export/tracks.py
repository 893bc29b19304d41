"""The tracks of a timeline: the machine, and of each core functions, slices and a counter."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from uniSMP.trace.export.packets import process_packet, track_packet

Words = npt.NDArray[np.int64]
_ROOT = 1
_OF_A_CORE = 3


class Tracks:
    """Numbers and descriptions of tracks.

    Attributes:
        machine: the track of what belongs to no core.
    """

    machine = 2

    def functions(self, core: Words) -> Words:
        """Return the tracks of functions, handlers and events of cores."""
        return core * _OF_A_CORE + 3

    def slices(self, core: Words) -> Words:
        """Return the tracks of slices of cores."""
        return core * _OF_A_CORE + 4

    def counter(self, core: Words) -> Words:
        """Return the counters of cores."""
        return core * _OF_A_CORE + 5

    def packets(self, title: str, cores: Sequence[int]) -> bytes:
        """Return the packets that describe the tracks of these cores."""
        parts = [process_packet(_ROOT, title)]
        parts.append(track_packet(self.machine, _ROOT, "machine", rank=0, is_counter=False))
        for core in cores:
            first = int(self.functions(np.array([core]))[0])
            names = (f"core {core}", f"core {core} slices", f"core {core} instructions of a slice")
            parts += [
                track_packet(first + n, _ROOT, name, rank=first + n, is_counter=n == _OF_A_CORE - 1)
                for n, name in enumerate(names)
            ]
        return b"".join(parts)
