"""Whether the kernel tells which pages were written: userfaultfd and PAGEMAP_SCAN.

Source: Linux 6.7, `userfaultfd(2)` (UFFD_FEATURE_WP_ASYNC) and
Documentation/admin-guide/mm/pagemap.rst (PAGEMAP_SCAN).
"""

import ctypes
import mmap
import os

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
_PAGE_BYTES = 4096


def missing() -> str | None:
    """Return what the kernel lacks to track written pages, or None where it can."""
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.syscall(_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK | _USER_MODE_ONLY)
    if descriptor < 0:
        return f"userfaultfd: {os.strerror(ctypes.get_errno())}"
    try:
        return _try(library, descriptor)
    finally:
        os.close(descriptor)


def _try(library: ctypes.CDLL, descriptor: int) -> str | None:
    """Write to one page of two, and ask which were written."""

    def control(file: int, request: int, words: ctypes.Array[ctypes.c_uint64]) -> bool:
        return bool(library.ioctl(file, ctypes.c_ulong(request), ctypes.byref(words)) >= 0)

    size = 2 * _PAGE_BYTES
    memory = mmap.mmap(-1, size)
    place = ctypes.addressof(ctypes.c_uint8.from_buffer(memory))
    if not control(descriptor, _UFFDIO_API, _words(_API, _WP_UNPOPULATED | _WP_ASYNC, 0)):
        return "userfaultfd: no asynchronous write protection (Linux 6.7 has it)"
    if not control(descriptor, _UFFDIO_REGISTER, _words(place, size, _MODE_WRITE_PROTECT, 0)):
        return "userfaultfd: anonymous memory cannot be registered"
    regions = (ctypes.c_uint64 * 6)()
    scan = _words(
        _SCAN_WORDS * 8, 3, place, place + size, 0, ctypes.addressof(regions), 2, 0,
        0, _PAGE_IS_WRITTEN, 0, _PAGE_IS_WRITTEN,
    )  # fmt: skip
    pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
    try:
        if not control(pagemap, _PAGEMAP_SCAN, scan):
            return "PAGEMAP_SCAN: not offered (Linux 6.7 has it)"
        memory[_PAGE_BYTES] = 1
        if not control(pagemap, _PAGEMAP_SCAN, scan):
            return "PAGEMAP_SCAN: fails after a write"
    finally:
        os.close(pagemap)
    if tuple(regions[:2]) != (place + _PAGE_BYTES, place + size):
        return "PAGEMAP_SCAN: a written page is not reported"
    return None


def _words(*values: int) -> "ctypes.Array[ctypes.c_uint64]":
    return (ctypes.c_uint64 * len(values))(*values)
