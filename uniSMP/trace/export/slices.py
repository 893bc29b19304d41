"""Slices whose begin or end lies outside what is exported."""

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_CORES = 256


class OpenSlices:
    """Which cores are inside a slice."""

    def __init__(self) -> None:
        self._is_open = np.zeros(_CORES, dtype=np.bool_)

    def unbegun(self, core: Words, is_begin: Mask) -> Mask:
        """Return which of these ends are of slices that began before all that was told.

        Args:
            core: of begins and ends, in order, behind those told before.
            is_begin: which of them are begins.
        """
        lacks = np.zeros(len(core), dtype=np.bool_)
        cores, first = np.unique(core, return_index=True)
        lacks[first] = ~is_begin[first] & ~self._is_open[cores]
        self._is_open[core] = is_begin  # the last one of a core counts
        return lacks

    def cores(self) -> Words:
        """Return the cores inside a slice."""
        return np.flatnonzero(self._is_open)
