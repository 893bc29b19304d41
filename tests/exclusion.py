"""How many cores are in a stretch of code at once, from a trace: no guest is edited for it."""

from collections.abc import Mapping

import numpy as np
from tracing import KeptTrace


def most_inside(
    trace: KeptTrace, symbols: Mapping[str, int], enter: str = "pmm_enter", leave: str = "pmm_exit"
) -> int:
    """Return the highest number of cores that were between two symbols at the same time.

    Args:
        trace: at level instructions or above, of the whole run.
        symbols: of the image.
        enter: the first instruction inside.
        leave: the first instruction behind it.
    """
    rip = trace.column("instructions", "rip")
    steps = (rip == symbols[enter]).astype(int) - (rip == symbols[leave]).astype(int)
    return int(np.cumsum(steps).max())
