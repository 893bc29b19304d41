"""Bits of paging-structure entries and of page-fault error codes.

Source: Intel SDM volume 3A, chapter "Paging".
"""

PRESENT = 1 << 0
WRITABLE = 1 << 1
USER = 1 << 2
ACCESSED = 1 << 5
DIRTY = 1 << 6
PAGE_SIZE = 1 << 7
NO_EXECUTE = 1 << 63

PHYSICAL_BITS = 40
"""Width of physical addresses that the machine advertises (CPUID leaf 0x80000008)."""
ADDRESS_MASK = 0x000F_FFFF_FFFF_F000
RESERVED_ADDRESS_BITS = ADDRESS_MASK & ~((1 << PHYSICAL_BITS) - 1)
PAGE_BYTES = 4096

ERROR_PRESENT = 1
ERROR_WRITE = 2
ERROR_USER = 4
ERROR_RESERVED = 8
ERROR_FETCH = 16
