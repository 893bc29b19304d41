"""What a recording says of the machine: its configuration, its image, and what made it."""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, TypeVar

from uniSMP.assembler.image import Image, Line
from uniSMP.errors import ConfigError, FormatError
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.machine import Machine
from uniSMP.memory.boot_information import Module

FORMAT = "unismp-recording"
FORMAT_VERSION = 1
BEHAVIOUR = 1
"""Counts changes of what a guest can observe: a recording made before one may not replay."""
MANIFEST = "manifest.json"
_IMAGE = "image.bin"
_SOURCE = "source.json"
_SETTINGS = {
    "cores": int,
    "memory_bytes": int,
    "boot": str,
    "ticks_per_instruction": int,
    "command_line": str,
}
Value = TypeVar("Value")


def _typed(kind: type[Value], value: object) -> Value:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def members_of(machine: Machine, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the members of a recording that say what is run, by name.

    Args:
        machine: is loaded.
        facts: more for people, by subject: what was asked for, the schedule, a test.
    """
    image, config = machine.image, machine.config
    assert image is not None, "a machine is recorded once it is loaded"
    data = image.data if isinstance(image, Image) else image
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "behaviour": BEHAVIOUR,
        "made_by": {"uniSMP": version("uniSMP"), "unicorn": version("unicorn")},
        "image": {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)},
        "modules": [
            {"text": module.name, "sha256": hashlib.sha256(module.data).hexdigest()}
            for module in machine.modules
        ],
        "machine": {
            **{name: getattr(config, name) for name in _SETTINGS},
            "serial_input": base64.b64encode(config.serial_input).decode(),
        },
        "facts": dict(facts),
    }
    members = {MANIFEST: json.dumps(manifest, indent=1).encode(), _IMAGE: data}
    if isinstance(image, Image):
        members[_SOURCE] = json.dumps(
            {
                "origin": image.origin,
                "entry": image.entry,
                "symbols": dict(image.symbols),
                "labels": image.labels,
                "lines": image.lines,
            }
        ).encode()
    for number, module in enumerate(machine.modules):
        members[_module_name(number)] = module.data
    return members


def _module_name(number: int) -> str:
    return f"modules/{number}.bin"


def read_manifest(members: dict[str, bytes]) -> dict[str, Any]:
    """Take the manifest out of `members` and return it.

    Raises:
        FormatError: there is none, or it is of another version.
    """
    try:
        manifest = json.loads(members.pop(MANIFEST))
    except (KeyError, ValueError, RecursionError) as error:
        raise FormatError("no recording: it has no readable manifest.json") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FormatError("no recording: manifest.json does not say that it is one")
    if not all(isinstance(manifest.get(name), dict) for name in ("made_by", "facts")):
        raise FormatError("damaged: manifest.json lacks made_by or facts")
    engine = manifest.get("made_by", {}).get("unicorn")
    for what, found, wanted in (
        ("format version", manifest.get("version"), FORMAT_VERSION),
        ("behaviour version", manifest.get("behaviour"), BEHAVIOUR),
        ("Unicorn version", engine, version("unicorn")),
    ):
        if found != wanted or type(found) is not type(wanted):
            made_by = manifest.get("made_by", {}).get("uniSMP")
            raise FormatError(
                f"the recording has {what} {found} (made by uniSMP {made_by}); this uniSMP "
                f"{version('uniSMP')} replays {what} {wanted}"
            )
    return manifest


def read_image(manifest: Mapping[str, Any], members: dict[str, bytes]) -> Image | bytes:
    """Take the image out of `members` and return it.

    Raises:
        FormatError: it is missing, damaged, or not the one that the manifest names.
    """
    data = _take(members, _IMAGE, manifest["image"]["sha256"])
    if _SOURCE not in members:
        return data
    try:
        source = json.loads(members.pop(_SOURCE))
        return Image(
            data=data,
            origin=_typed(int, source["origin"]),
            symbols={
                str(name): _typed(int, value)
                for name, value in _typed(dict, source["symbols"]).items()
            },
            lines=tuple(
                Line(_typed(int, address), _typed(str, file), _typed(int, line))
                for address, file, line in source["lines"]
            ),
            entry=_typed(int, source["entry"]),
            labels=tuple(source["labels"]),
        )
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"damaged: {_SOURCE} cannot be read ({error!r})") from error


def read_config(manifest: Mapping[str, Any], members: dict[str, bytes]) -> MachineConfig:
    """Take the modules out of `members` and return the configuration.

    Raises:
        FormatError: a setting or a module is missing, damaged, or not what the manifest names.
    """
    try:
        settings = dict(manifest["machine"])
        serial = base64.b64decode(settings.pop("serial_input"), validate=True)
        modules = tuple(
            Module(str(entry["text"]), _take(members, _module_name(number), entry["sha256"]))
            for number, entry in enumerate(manifest["modules"])
        )
        if set(settings) != set(_SETTINGS):
            raise FormatError(f"damaged: the settings of the machine are {', '.join(settings)}")
        for name, kind in _SETTINGS.items():
            _typed(kind, settings[name])
        return MachineConfig(**settings, modules=modules, serial_input=serial)
    except (KeyError, ValueError, TypeError, ConfigError) as error:
        raise FormatError(f"damaged: the machine's configuration is not valid ({error})") from error


def _take(members: dict[str, bytes], name: str, wanted: object) -> bytes:
    data = members.pop(name, None)
    if data is None:
        raise FormatError(f"damaged: it has no {name}")
    found = hashlib.sha256(data).hexdigest()
    if found != wanted:
        raise FormatError(
            f"{name} is not what was recorded: its SHA-256 is {found}, the recording's is {wanted}"
        )
    return data
