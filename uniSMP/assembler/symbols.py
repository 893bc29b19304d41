"""Names of symbols in the text for Keystone.

Keystone takes `flags`, `k1` or `riz` for registers and refuses `[rax + .L1]`, so that each symbol
gets a name there that can be nothing else.
"""

import re
from collections.abc import Mapping

_PREFIX = "u_"
_KEYSTONE_NAME = re.compile(rf"\b{_PREFIX}[\w$]*")
_PUNCTUATION = re.compile(r"[.$]")
_ESCAPE = re.compile(r"\$([0-9a-f]{2})")


def keystone_name(name: str) -> str:
    """Return what Keystone is told for the symbol `name`; no two symbols share it."""
    return _PREFIX + _PUNCTUATION.sub(lambda match: f"${ord(match.group()):02x}", name)


def symbols_in(text: str) -> tuple[str, ...]:
    """Return the symbols used in a text for Keystone from left to right."""
    return tuple(_plain(word) for word in _KEYSTONE_NAME.findall(text))


def substitute(text: str, values: Mapping[str, int]) -> str:
    """Return a text for Keystone with the symbols in `values` replaced by their values."""

    def value(match: re.Match[str]) -> str:
        name = _plain(match.group())
        return str(values[name]) if name in values else match.group()

    return _KEYSTONE_NAME.sub(value, text)


def _plain(word: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), word.removeprefix(_PREFIX))
