"""Which pages of a mapping were written: userfaultfd and PAGEMAP_SCAN, or comparison with a copy.

Source: Linux 6.7, `userfaultfd(2)` (UFFD_FEATURE_WP_ASYNC) and
Documentation/admin-guide/mm/pagemap.rst (PAGEMAP_SCAN).
"""

import ctypes
import mmap
import os
from typing import Protocol

import numpy as np
import numpy.typing as npt

_USERFAULTFD = 323
"""System call number on x86-64."""
_USER_MODE_ONLY = 1
_API = 0xAA
_UFFDIO_API = 0xC018_AA3F
_UFFDIO_REGISTER = 0xC020_AA00
_MODE_WRITE_PROTECT = 2
_WP_UNPOPULATED, _WP_ASYNC = 1 << 13, 1 << 15
_PAGEMAP_SCAN = 0xC060_6610
_SCAN_WORDS = 12
_PAGE_IS_WRITTEN = 2
_WRITE_PROTECT_MATCHING, _CHECK_REGISTERED = 1, 2
_PAGE_BYTES = 4096
_REGIONS = 512
"""Runs of pages that one scan can report."""
Pages = npt.NDArray[np.int64]
_library = ctypes.CDLL(None, use_errno=True)


class WrittenPages(Protocol):
    """Tells which pages were written since it was last asked."""

    def take(self) -> Pages:
        """Return the numbers of the pages written since the last call, ascending."""

    def close(self) -> None:
        """Give up what it holds."""


class KernelTracking:
    """Asks the kernel; a first store to a page after a call costs a fault of about 1 us.

    Args:
        memory: whole pages, page aligned.

    Raises:
        OSError: the kernel cannot do it.
    """

    def __init__(self, memory: npt.NDArray[np.uint8]) -> None:
        self._start = memory.ctypes.data
        self._end = self._start + len(memory)
        self._regions = (ctypes.c_uint64 * (3 * _REGIONS))()
        descriptor = _library.syscall(_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK | _USER_MODE_ONLY)
        if descriptor < 0:
            raise OSError(f"userfaultfd: {os.strerror(ctypes.get_errno())}")
        self._descriptor = descriptor
        self._pagemap = -1
        try:
            self._arm(len(memory))
        except OSError:
            self.close()
            raise

    def _arm(self, size: int) -> None:
        if not self._control(_UFFDIO_API, _API, _WP_UNPOPULATED | _WP_ASYNC, 0):
            raise OSError("userfaultfd: no asynchronous write protection (Linux 6.7 has it)")
        if not self._control(_UFFDIO_REGISTER, self._start, size, _MODE_WRITE_PROTECT, 0):
            raise OSError("userfaultfd: anonymous memory cannot be registered")
        self._pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        self.take()

    def _control(self, request: int, *values: int) -> bool:
        words = (ctypes.c_uint64 * len(values))(*values)
        number = ctypes.c_ulong(request)
        return bool(_library.ioctl(self._descriptor, number, ctypes.byref(words)) >= 0)

    def take(self) -> Pages:
        """Return the numbers of the pages written since the last call, ascending."""
        parts, start = [], self._start
        while start < self._end:
            count, start = self._scan(start)
            words = np.frombuffer(memoryview(self._regions).cast("B"), dtype=np.uint64)
            runs = words[: 3 * count].reshape(count, 3)
            parts += [
                np.arange(first - self._start, end - self._start, _PAGE_BYTES) // _PAGE_BYTES
                for first, end in runs[:, :2].astype(np.int64).tolist()
            ]
        return np.concatenate([np.zeros(0, dtype=np.int64), *parts])

    def _scan(self, start: int) -> tuple[int, int]:
        """Report and protect written pages from `start` on; return runs found, and how far."""
        words = (ctypes.c_uint64 * _SCAN_WORDS)(
            *(_SCAN_WORDS * 8, _WRITE_PROTECT_MATCHING | _CHECK_REGISTERED, start, self._end, 0),
            *(ctypes.addressof(self._regions), _REGIONS, 0),
            *(0, _PAGE_IS_WRITTEN, 0, _PAGE_IS_WRITTEN),
        )
        number = ctypes.c_ulong(_PAGEMAP_SCAN)
        found = _library.ioctl(self._pagemap, number, ctypes.byref(words))
        if found < 0:
            raise OSError("PAGEMAP_SCAN: not offered (Linux 6.7 has it)")
        return found, words[4]

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in (self._descriptor, self._pagemap):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._pagemap = -1


class ComparisonTracking:
    """Compares all memory with a copy: works everywhere, costs memory and some 5 ms for 64 MiB.

    A page that was written and holds what it held before is not reported.
    """

    def __init__(self, memory: npt.NDArray[np.uint8]) -> None:
        self._memory = memory.view(np.uint64).reshape(-1, _PAGE_BYTES // 8)
        self._copy = self._memory.copy()

    def take(self) -> Pages:
        """Return the numbers of the pages changed since the last call, ascending."""
        pages = np.nonzero((self._memory != self._copy).any(axis=1))[0]
        self._copy[pages] = self._memory[pages]
        return pages

    def close(self) -> None:
        """Nothing is held."""


def track(memory: npt.NDArray[np.uint8]) -> WrittenPages:
    """Return the best way to track writes to `memory` (whole pages, page aligned) on this host."""
    try:
        return KernelTracking(memory)
    except OSError:
        return ComparisonTracking(memory)


def missing() -> str | None:
    """Return what the kernel lacks to track written pages, or None where it can."""
    mapping = mmap.mmap(-1, 2 * _PAGE_BYTES)
    memory = np.frombuffer(mapping, dtype=np.uint8)
    try:
        tracking = KernelTracking(memory)
    except OSError as error:
        return str(error)
    try:
        memory[_PAGE_BYTES] = 1
        found = tracking.take().tolist()
        return None if found == [1] else "PAGEMAP_SCAN: a written page is not reported"
    finally:
        tracking.close()
