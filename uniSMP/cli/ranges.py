"""Ranges and lists of numbers as options take them: `A..B`, `0,2-3`."""

from collections.abc import Mapping

from uniSMP.errors import ConfigError

_END = 1 << 64
_MOST_CORES = 255


def parse_number(text: str, option: str) -> int:
    """Return a number of at most 64 bits, decimal or with 0x.

    Raises:
        ConfigError: it is none.
    """
    try:
        value = int(text, 0)
    except ValueError as error:
        raise ConfigError(f"{option}: {text!r} is no number") from error
    if not 0 <= value < _END:
        raise ConfigError(f"{option}: {text} does not fit 64 bits")
    return value


def parse_range(text: str, option: str) -> tuple[int, int | None]:
    """Return (A, B) of `A..B`; B is behind the last one, and None where it lacks.

    Raises:
        ConfigError: it cannot be understood, or nothing lies between.
    """
    low, separator, high = text.partition("..")
    if not separator or not (low or high):
        raise ConfigError(f"{option}: write A..B, not {text!r}")
    first = parse_number(low, option) if low else 0
    end = parse_number(high, option) if high else None
    if end is not None and end <= first:
        raise ConfigError(f"{option}: nothing lies between in {text}")
    return first, end


def parse_symbol(text: str, labels: Mapping[str, int], option: str) -> tuple[int, int]:
    """Return the addresses from a label to the next, or of `NAME..NAME`.

    Raises:
        ConfigError: there is no such label.
    """
    first_name, separator, end_name = text.partition("..")
    first = _label(first_name, labels, option)
    if separator:
        end = _label(end_name, labels, option)
        if end <= first:
            raise ConfigError(f"{option}: {end_name} does not lie behind {first_name}")
        return first, end
    behind = [address for address in labels.values() if address > first]
    return first, min(behind, default=_END - 1)


def parse_place(text: str, labels: Mapping[str, int], option: str) -> int:
    """Return an address: a number, or a label with an offset or none, such as `pmm_free_head+8`.

    Raises:
        ConfigError: it is neither.
    """
    name, _, offset = text.partition("+")
    if name in labels:
        return labels[name] + (parse_number(offset, option) if offset else 0)
    if text[:1].isdigit():
        return parse_number(text, option)
    raise ConfigError(f"{option}: there is no label {name!r}")


def _label(name: str, labels: Mapping[str, int], option: str) -> int:
    if name not in labels:
        raise ConfigError(f"{option}: there is no label {name!r}")
    return labels[name]


def parse_cores(text: str, option: str) -> frozenset[int]:
    """Return core ids of a list such as `0,2-3`.

    Raises:
        ConfigError: it cannot be understood.
    """
    cores: set[int] = set()
    for part in text.split(","):
        low, separator, high = part.partition("-")
        first = parse_number(low, option)
        last = parse_number(high, option) if separator else first
        if last < first:
            raise ConfigError(f"{option}: nothing lies between in {part}")
        cores.update(range(first, min(last, _MOST_CORES) + 1))
    return frozenset(cores)
