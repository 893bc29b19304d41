"""Sizes as people write them: `64M`, `1GiB`, `4096K`, `0x10000`.

Every suffix is a power of 1024, as in QEMU's `-m`: `K`, `KB` and `KiB` mean the same. A number
without a suffix counts bytes. Case does not matter; one space before the suffix is allowed.
"""

import re

from uniSMP.errors import ConfigError

PAGE_BYTES = 4096
SMALLEST_RAM_BYTES = 1 << 20
"""Below 1 MiB a PC has no place for its firmware area."""
LARGEST_RAM_BYTES = 3 << 30
"""Above 3 GiB lies the range of memory-mapped devices."""

_SHIFT_OF_UNIT = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_PATTERN = re.compile(r"(0x[0-9a-f]+|[0-9]+) ?(?:([kmgt])(?:i?b)?|b)?", re.ASCII | re.IGNORECASE)
_LONGEST_TEXT = 32


def parse_size(text: str) -> int:
    """Return the number of bytes that `text` says.

    Args:
        text: a decimal or `0x` hexadecimal whole number with an optional suffix (K, M, G, T; also
            KB, KiB and so on; or B). In hexadecimal, a final `b` is a digit.

    Raises:
        ConfigError: `text` is no size, or it is zero.
    """
    stripped = text.strip()
    found = _PATTERN.fullmatch(stripped) if len(stripped) <= _LONGEST_TEXT else None
    if found is None:
        raise ConfigError(
            f"{_shown(text)} is not a size: write a whole number of bytes, or one with K, M or G, "
            "such as 64M"
        )
    number = found[1].lower()
    count = int(number, 16) if number.startswith("0x") else int(number)
    if count == 0:
        raise ConfigError(f"a size of {_shown(text)} is zero: write at least one byte, such as 64M")
    return count << _SHIFT_OF_UNIT[(found[2] or "").lower()]


def format_size(size_bytes: int) -> str:
    """Return `size_bytes` in the largest unit that divides it: `64M`, `1G`, `65537`.

    The result is read back by `parse_size` as the same number.
    """
    for unit in ("T", "G", "M", "K"):
        shift = _SHIFT_OF_UNIT[unit.lower()]
        if size_bytes and size_bytes % (1 << shift) == 0:
            return f"{size_bytes >> shift}{unit}"
    return str(size_bytes)


def check_ram_size(size_bytes: int) -> int:
    """Return `size_bytes` when a machine can have that much RAM.

    Raises:
        ConfigError: not 1 MiB to 3 GiB, or no multiple of a page (4 KiB).
    """
    if not SMALLEST_RAM_BYTES <= size_bytes <= LARGEST_RAM_BYTES:
        raise ConfigError(
            f"RAM of {format_size(size_bytes)} is out of range: choose "
            f"{format_size(SMALLEST_RAM_BYTES)} to {format_size(LARGEST_RAM_BYTES)}"
        )
    if size_bytes % PAGE_BYTES:
        raise ConfigError(
            f"RAM of {size_bytes} bytes is no multiple of a page: choose a multiple of "
            f"{PAGE_BYTES} bytes"
        )
    return size_bytes


def _shown(text: str) -> str:
    """Return `text` quoted, on one line, cut when it is long."""
    return repr(text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "...")
