"""What `@pytest.mark.unismp(...)` says, checked when tests are collected.

Imported in every pytest run that has a marked test, so that nothing here imports the engine.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from uniSMP.errors import ConfigError
from uniSMP.machine.config import DEFAULT_MEMORY_BYTES, Boot, MachineConfig
from uniSMP.memory.sizes import parse_size

if TYPE_CHECKING:
    import pytest

_Value = TypeVar("_Value")
DEFAULT_QUANTUM_INSTRUCTIONS = 10_000
DEFAULT_LIMIT_INSTRUCTIONS = 100_000_000
_LARGEST_QUANTUM_INSTRUCTIONS = 1 << 32
_LARGEST_LIMIT = 1 << 62
_SEED_END = 1 << 64
_ARGUMENTS = (
    *("cores", "schedules", "quantum", "memory", "boot", "max_instructions", "image", "source"),
    *("ticks_per_instruction", "command_line", "modules", "serial_input"),
)
HELP = (
    f"unismp({', '.join(f'{name}=...' for name in _ARGUMENTS)}): how the fixture `machine` "
    "is made; with schedules (how many, or seeds) the test runs once under each"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a test's machine is made of, and how it runs.

    Attributes:
        config: of the machine; its `boot` counts where `boot` here is not None.
        boot: how the guest begins; None: multiboot if it has a header, else long.
        seeds: one test item each; None: one item, round robin.
        quantum: instructions of a slice; with seeds at most.
        max_instructions: most that one `run` retires, where it is not told another number.
        guest: loaded before the test begins: see `MachineUnderTest.load`; None: nothing.
    """

    config: MachineConfig
    boot: Boot | None = None
    seeds: tuple[int, ...] | None = None
    quantum: int = DEFAULT_QUANTUM_INSTRUCTIONS
    max_instructions: int = DEFAULT_LIMIT_INSTRUCTIONS
    guest: Any = None


def read(markers: "Iterable[pytest.Mark]") -> Settings:
    """Return what the markers of a test say, closest first; a closer one's arguments count.

    Raises:
        ConfigError: an argument is unknown, of another type, or out of range.
    """
    values: dict[str, Any] = {}
    for marker in markers:
        if marker.args:
            raise ConfigError(f"{marker.args[0]!r} has no name: write cores=2, schedules=20")
        for name in marker.kwargs:
            if name not in _ARGUMENTS:
                raise ConfigError(f"unknown argument {name}: choose from {', '.join(_ARGUMENTS)}")
        values = {**marker.kwargs, **values}
    return _settings(values)


def _settings(values: Mapping[str, Any]) -> Settings:
    if values.get("image") is not None and values.get("source") is not None:
        raise ConfigError("image and source are given: choose one")
    boot = cast("Boot | None", values.get("boot"))
    config = MachineConfig(
        cores=_integer(values, "cores", 1),
        memory_bytes=_memory(values.get("memory", DEFAULT_MEMORY_BYTES)),
        boot="multiboot" if boot is None else boot,
        ticks_per_instruction=_integer(values, "ticks_per_instruction", 1),
        command_line=_typed(values, "command_line", str, ""),
        modules=_modules(values.get("modules", ())),
        serial_input=_typed(values, "serial_input", bytes, b""),
    )
    return Settings(
        config,
        boot,
        _seeds(values.get("schedules")),
        _integer(values, "quantum", DEFAULT_QUANTUM_INSTRUCTIONS, _LARGEST_QUANTUM_INSTRUCTIONS),
        _integer(values, "max_instructions", DEFAULT_LIMIT_INSTRUCTIONS),
        _source(values) if values.get("source") is not None else values.get("image"),
    )


def _integer(
    values: Mapping[str, Any], name: str, default: int, largest: int = _LARGEST_LIMIT
) -> int:
    value = values.get(name, default)
    if type(value) is not int or not 1 <= value <= largest:
        raise ConfigError(f"{name} = {value!r}: choose a whole number from 1 to {largest}")
    return value


def _typed(values: Mapping[str, Any], name: str, kind: type[_Value], default: _Value) -> _Value:
    value = values.get(name, default)
    if not isinstance(value, kind):
        raise ConfigError(f"{name} = {value!r}: this is no {kind.__name__}")
    return value


def _memory(value: object) -> int:
    if isinstance(value, str):
        return parse_size(value)
    if type(value) is int:
        return value
    raise ConfigError(f"memory = {value!r}: choose bytes, or a text such as '64M'")


def _modules(value: object) -> tuple[str | Path, ...]:
    if isinstance(value, list | tuple) and all(isinstance(each, str | Path) for each in value):
        return tuple(value)
    raise ConfigError(f"modules = {value!r}: choose a list of files")


def _source(values: Mapping[str, Any]) -> str:
    """Return the text to assemble; a line break at its end says that it is no file's name."""
    return _typed(values, "source", str, "") + "\n"


def _seeds(value: object) -> tuple[int, ...] | None:
    if value is None:
        return None
    if type(value) is int:
        if value < 1:
            raise ConfigError(f"schedules = {value}: choose 1 or more")
        return tuple(range(value))
    seeds = tuple(value) if isinstance(value, list | tuple | range | set | frozenset) else ()
    if not seeds or not all(type(seed) is int and 0 <= seed < _SEED_END for seed in seeds):
        raise ConfigError(
            f"schedules = {value!r}: choose how many, or a list of seeds from 0 to {_SEED_END - 1}"
        )
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"schedules = {value!r}: a seed stands there twice")
    return seeds if isinstance(value, list | tuple | range) else tuple(sorted(seeds))
