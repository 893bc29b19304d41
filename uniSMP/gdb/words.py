"""Numbers and bytes as packets spell them: hexadecimal, without a sign or a prefix.

Source: GDB manual, appendix "GDB Remote Serial Protocol", section "Overview".
"""

import re

_NUMBER = re.compile(rb"[0-9a-fA-F]{1,16}")
_HEX = re.compile(rb"([0-9a-fA-F]{2})*")


def number(text: bytes) -> int:
    """Return a number of up to 64 bits.

    Raises:
        ValueError: it is none.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text, 16)


def from_hex(text: bytes) -> bytes:
    """Return the bytes that pairs of digits stand for.

    Raises:
        ValueError: there is something else.
    """
    if not _HEX.fullmatch(text):
        raise ValueError(text)
    return bytes.fromhex(text.decode("ascii"))


def to_hex(data: bytes) -> bytes:
    """Return two digits for each byte."""
    return data.hex().encode("ascii")


def split(text: bytes, mark: bytes) -> tuple[bytes, bytes]:
    """Return what stands before and behind the first `mark`.

    Raises:
        ValueError: there is no mark.
    """
    before, found, behind = text.partition(mark)
    if not found:
        raise ValueError(text)
    return before, behind
