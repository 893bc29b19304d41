"""Records a case of `replaying` and kills itself once the file has so many bytes.

python killed_recorder.py FILE SEED BYTES
"""

import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).parents[1]))
import replaying

from uniSMP.replay.container import ContainerWriter


class _Killing:
    """A file that ends the process in the middle of a write, without any goodbye."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file = file
        self._left = most_bytes

    def write(self, data: memoryview) -> int:
        written = self._file.write(data[: self._left])
        self._left -= written
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    def close(self) -> None:
        self._file.close()


class _KillingWriter(ContainerWriter):
    """Kills the process once the file has so many bytes."""

    most_bytes = 0

    def begin(self) -> None:
        super().begin()
        self._file = _Killing(self._file, self.most_bytes - self._written)  # type: ignore[assignment]


def main(path: str, seed: str, size_bytes: str) -> None:
    """Record until the end comes."""
    _KillingWriter.most_bytes = int(size_bytes)
    replaying.recorder.ContainerWriter = _KillingWriter  # type: ignore[misc]
    replaying.record(replaying.make_case(int(seed)), Path(path), rows=64)


if __name__ == "__main__":
    main(*sys.argv[1:])
