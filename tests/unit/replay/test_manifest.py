"""What a recording says of its machine, there and back, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from guests import COUNT_TO_100, PREAMBLE, machine_with

from uniSMP import FormatError, Image, Machine, assemble
from uniSMP.machine.config import MachineConfig
from uniSMP.replay import manifest as about

FACTS = {"target": "a program", "schedule": {"seed": 3}}


@pytest.fixture
def members() -> dict[str, bytes]:
    """Return the members of a small machine."""
    settings: dict[str, Any] = {"serial_input": b"\0\xff", "command_line": "ä b"}
    with machine_with(COUNT_TO_100, 3, **settings) as machine:
        return about.members_of(machine, FACTS)


def changed(members: dict[str, bytes], *keys: str, value: object) -> dict[str, bytes]:
    """Return members with one value of the manifest changed."""
    manifest = json.loads(members["manifest.json"])
    place = manifest
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return members | {"manifest.json": json.dumps(manifest).encode()}


def test_configuration_and_image_are_read_as_they_were(members: dict[str, bytes]) -> None:
    manifest = about.read_manifest(members)
    assert about.read_image(manifest, members) == assemble(PREAMBLE + COUNT_TO_100)
    assert about.read_config(manifest, members) == MachineConfig(
        cores=3, memory_bytes=2 << 20, boot="long", command_line="ä b", serial_input=b"\0\xff"
    )
    assert manifest["facts"] == FACTS
    assert members == {}


def test_module_given_by_path_is_kept_with_its_text(tmp_path: Path, program: Any) -> None:
    (tmp_path / "module").write_bytes(b"content")
    text = f"{tmp_path / 'module'} some arguments"
    with Machine(cores=1, modules=(text,)) as machine:
        machine.load(program("hello"))
        members = about.members_of(machine, {})
    (module,) = about.read_config(about.read_manifest(members), members).modules
    assert (module.name, module.data) == (text, b"content")  # type: ignore[union-attr]


def test_image_of_bytes_has_no_source() -> None:
    with Machine(cores=1, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(b"\xf4")
        members = about.members_of(machine, {})
    assert set(members) == {"manifest.json", "image.bin"}
    assert about.read_image(about.read_manifest(members), members) == b"\xf4"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
def test_manifest_that_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"no readable manifest\.json"):
        about.read_manifest({"manifest.json": data})


def test_manifest_that_is_missing_is_refused() -> None:
    with pytest.raises(FormatError, match=r"no readable manifest\.json"):
        about.read_manifest({})


@pytest.mark.parametrize("data", [b"5", b"[]", b"{}", b'{"format": "other"}'])
def test_manifest_of_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="does not say that it is one"):
        about.read_manifest({"manifest.json": data})


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("version",), 2, r"has format version 2 \(made by uniSMP .*\); .* format version 1"),
        (("behaviour",), 99, "has behaviour version 99"),
        (("made_by", "unicorn"), "2.0.0", "has Unicorn version 2.0.0"),
    ],
)
def test_other_version_is_refused_by_name(
    members: dict[str, bytes], keys: tuple[str, ...], value: object, message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        about.read_manifest(changed(members, *keys, value=value))


def test_image_that_is_not_the_recorded_one_is_refused(members: dict[str, bytes]) -> None:
    members["image.bin"] = members["image.bin"][:-1] + b"\xff"
    with pytest.raises(FormatError, match=r"image\.bin is not what was recorded: its SHA-256 is"):
        about.read_image(about.read_manifest(members), members)


def test_image_that_is_missing_is_refused(members: dict[str, bytes]) -> None:
    del members["image.bin"]
    with pytest.raises(FormatError, match=r"it has no image\.bin"):
        about.read_image(about.read_manifest(members), members)


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"5",
        b"{}",
        b'{"origin": 0, "symbols": {}, "lines": [[1]], "entry": 0, "labels": []}',
        b'{"origin": 0, "symbols": {}, "lines": 5, "entry": 0, "labels": []}',
        b'{"origin": "0", "symbols": {}, "lines": [], "entry": 0, "labels": []}',
        b'{"origin": 0, "symbols": {}, "lines": [], "entry": null, "labels": []}',
        b'{"origin": 0, "symbols": [], "lines": [], "entry": 0, "labels": []}',
    ],
)
def test_source_that_cannot_be_read_is_damage(members: dict[str, bytes], source: bytes) -> None:
    members["source.json"] = source
    with pytest.raises(FormatError, match=r"damaged: source\.json cannot be read"):
        about.read_image(about.read_manifest(members), members)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cores", 0),
        ("cores", "2"),
        ("cores", 1.5),
        ("cores", True),
        ("memory_bytes", 5),
        ("memory_bytes", 2097152.0),
        ("memory_bytes", None),
        ("boot", "other"),
        ("boot", 5),
        ("ticks_per_instruction", 0),
        ("ticks_per_instruction", 1.5),
        ("command_line", "a\0"),
        ("command_line", 5),
        ("serial_input", "?"),
        ("serial_input", 5),
        ("more", 5),
    ],
)
def test_setting_that_cannot_be_is_damage(
    members: dict[str, bytes], name: str, value: object
) -> None:
    members = changed(members, "machine", name, value=value)
    with pytest.raises(FormatError, match="damaged: "):
        about.read_config(about.read_manifest(members), members)


@pytest.mark.parametrize("name", ["cores", "memory_bytes", "serial_input", "boot"])
def test_setting_that_is_missing_is_damage(members: dict[str, bytes], name: str) -> None:
    manifest = about.read_manifest(members)
    del manifest["machine"][name]
    with pytest.raises(FormatError, match="damaged: "):
        about.read_config(manifest, members)


def test_module_that_is_missing_is_damage(members: dict[str, bytes]) -> None:
    members = changed(members, "modules", value=[{"text": "a", "sha256": "b"}])
    with pytest.raises(FormatError, match=r"it has no modules/0\.bin"):
        about.read_config(about.read_manifest(members), members)


def test_symbols_stay_with_the_image(members: dict[str, bytes]) -> None:
    image = about.read_image(about.read_manifest(members), members)
    assert isinstance(image, Image)
    assert image.symbols["again"] - image.symbols["_start"] == 5
