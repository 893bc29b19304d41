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
_IS_WRITTEN, _IS_PRESENT, _IS_SWAPPED = 1 << 1, 1 << 3, 1 << 4
_WRITE_PROTECT_MATCHING, _CHECK_REGISTERED = 1, 2
_PAGE_BYTES = 4096
_GROUP = 1024
"""Pages that are looked at together."""
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
        self._memory = memory
        descriptor = _library.syscall(_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK | _USER_MODE_ONLY)
        if descriptor < 0:
            raise OSError(f"userfaultfd: {os.strerror(ctypes.get_errno())}")
        self._descriptor = descriptor
        self._pagemap = -1
        try:
            self._arm()
        except OSError:
            self.close()
            raise

    def _arm(self) -> None:
        place, size = self._memory.ctypes.data, len(self._memory)
        if not self._control(_UFFDIO_API, _API, _WP_UNPOPULATED | _WP_ASYNC, 0):
            raise OSError("userfaultfd: no asynchronous write protection (Linux 6.7 has it)")
        if not self._control(_UFFDIO_REGISTER, place, size, _MODE_WRITE_PROTECT, 0):
            raise OSError("userfaultfd: anonymous memory cannot be registered")
        self._pagemap = _open_pagemap()
        self.take()

    def _control(self, request: int, *values: int) -> bool:
        words = (ctypes.c_uint64 * len(values))(*values)
        number = ctypes.c_ulong(request)
        return bool(_library.ioctl(self._descriptor, number, ctypes.byref(words)) >= 0)

    def take(self) -> Pages:
        """Return the numbers of the pages written since the last call, ascending."""
        flags = _WRITE_PROTECT_MATCHING | _CHECK_REGISTERED
        return _scan(self._pagemap, self._memory, flags, (0, _IS_WRITTEN, 0, _IS_WRITTEN))

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in (self._descriptor, self._pagemap):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._pagemap = -1


def _scan(
    pagemap: int, memory: npt.NDArray[np.uint8], flags: int, categories: tuple[int, int, int, int]
) -> Pages:
    """Return the numbers of the pages of `memory` that PAGEMAP_SCAN finds.

    Args:
        pagemap: file descriptor.
        memory: whole pages, page aligned.
        flags: of the request.
        categories: inverted, all of, any of, to be reported.
    """
    first = start = memory.ctypes.data
    end = first + len(memory)
    regions = (ctypes.c_uint64 * (3 * _REGIONS))()
    found = np.frombuffer(memoryview(regions).cast("B"), dtype=np.int64).reshape(_REGIONS, 3)
    parts = [np.zeros(0, dtype=np.int64)]
    while start < end:
        words = (ctypes.c_uint64 * _SCAN_WORDS)(
            *(_SCAN_WORDS * 8, flags, start, end, 0),
            *(ctypes.addressof(regions), _REGIONS, 0, *categories),
        )
        request = ctypes.c_ulong(_PAGEMAP_SCAN)
        count = _library.ioctl(pagemap, request, ctypes.byref(words))
        if count < 0:
            raise OSError("PAGEMAP_SCAN: not offered (Linux 6.7 has it)")
        bounds = (found[:count, :2] - first) // _PAGE_BYTES
        parts += [np.arange(*bound, dtype=np.int64) for bound in bounds.tolist()]
        start = words[4]
    return np.concatenate(parts)


def used_pages(memory: npt.NDArray[np.uint8]) -> Pages:
    """Return the numbers of the pages that are not all zero, ascending.

    Pages that were never touched cost nothing, as long as nobody tracks them.
    """
    words = memory.view(np.uint64).reshape(-1, _PAGE_BYTES // 8)
    try:
        pagemap = _open_pagemap()
        try:
            found = _scan(pagemap, memory, 0, (0, 0, _IS_PRESENT | _IS_SWAPPED, _IS_PRESENT))
        finally:
            os.close(pagemap)
    except OSError:
        found = np.arange(len(words))
    groups = np.split(found, range(_GROUP, len(found), _GROUP))
    return np.concatenate([pages[words[pages].any(axis=1)] for pages in groups])


def _open_pagemap() -> int:
    return os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)


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
