"""The option of `unismp run` that records, and the recording it asks for."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from uniSMP.errors import ConfigError
from uniSMP.machine.machine import Machine


def check_record(path: str | None, inputs: Iterable[str | None], trace: str | None) -> None:
    """Raise ConfigError where a recording would be written over what the run reads, or its trace.

    Args:
        path: of the recording, or None.
        inputs: names of files that the run reads, if they are files.
        trace: folder of a trace, or None.
    """
    if path is None:
        return
    if not path:
        raise ConfigError("--record: the name of the file is empty")
    place = Path(path).resolve()
    if any(name and Path(name).resolve() == place for name in inputs):
        raise ConfigError(f"--record {path}: this file is an input of the run")
    folder = Path(trace).resolve() if trace else None
    if folder is not None and folder in (place, *place.parents):
        raise ConfigError(f"--record {path}: this is the trace's own folder")


def make_recorder(
    path: str | None, machine: Machine, target: str, settings: Mapping[str, Any]
) -> AbstractContextManager[object]:
    """Return what records `machine` inside `with`; nothing where no file is named.

    Raises:
        ConfigError: the file cannot be written.
    """
    if path is None:
        return nullcontext()
    from uniSMP.replay.recorder import Recorder  # noqa: PLC0415 - needed while recording only

    schedule = {"name": settings["schedule"], "quantum": settings["quantum"]}
    if settings["seed"] is not None:
        schedule["seed"] = settings["seed"]
    return Recorder(machine, path, facts={"target": target}, schedule=schedule)
