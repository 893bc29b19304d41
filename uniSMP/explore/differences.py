"""In what two plans differ, for the message that refuses one of them."""

import json
from typing import Any

from uniSMP.errors import FormatError

_PEOPLE = {"name", "lines"}
"""Parts of a target that do not count."""


def differences(kept: bytes, given: bytes) -> list[str]:
    """Return the names of what differs between two plans as `Plan.to_bytes` writes them.

    Raises:
        FormatError: one of them is damaged.
    """
    try:
        return _compare(json.loads(kept), json.loads(given))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"the plan of the campaign is damaged ({error!r})") from error


def _compare(kept: dict[str, Any], given: dict[str, Any]) -> list[str]:
    found = []
    for name in sorted({*kept, *given}):
        left, right = kept.get(name), given.get(name)
        if name == "target" and isinstance(left, dict) and isinstance(right, dict):
            left = {each: left[each] for each in left if each not in _PEOPLE}
            right = {each: right[each] for each in right if each not in _PEOPLE}
        if left == right:
            continue
        if name in ("machine", "limits", "parameters", "versions"):
            found += [f"{name}.{each}" for each in _compare(left or {}, right or {})]
        else:
            found.append({"target": "the guest"}.get(name, name))
    return found
