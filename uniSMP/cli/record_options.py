"""The option of `unismp run` that records, and the recording it asks for."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from uniSMP.errors import ConfigError
from uniSMP.machine.machine import Machine


def make_recorder(
    path: str | None, machine: Machine, target: str, settings: Mapping[str, Any]
) -> AbstractContextManager[object]:
    """Return what records `machine` inside `with`; nothing where no file is named.

    Raises:
        ConfigError: the file cannot be written.
    """
    if path is None:
        return nullcontext()
    if not path:
        raise ConfigError("--record: the name of the file is empty")
    from uniSMP.replay.recorder import Recorder  # noqa: PLC0415 - needed while recording only

    schedule = {"name": settings["schedule"], "quantum": settings["quantum"]}
    if settings["seed"] is not None:
        schedule["seed"] = settings["seed"]
    return Recorder(machine, path, facts={"target": target}, schedule=schedule)
