"""A recording as it is read, and what is refused."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from guests import BUSY, COUNT_TO_100, record

from uniSMP import FormatError, Machine, Recorder, Recording, RoundRobin, assemble
from uniSMP.replay.container import ContainerWriter, read_members

Members = dict[str, bytes]


def rewrite(path: Path, change: Callable[[Members], object]) -> None:
    """Write a file anew with its members changed; all checksums are right."""
    members, _is_whole = read_members(path)
    change(members)
    writer = ContainerWriter(path)
    for name, data in members.items():
        writer.add(name, data)
    writer.begin()
    writer.finish()


def test_rows_items_and_checkpoints_are_those_of_the_run(path: Path) -> None:
    first, second = record(path, COUNT_TO_100, schedule=RoundRobin(50), limits=[120, None])
    recording = Recording.open(str(path))
    assert recording.path == path
    assert recording.rows.instructions.tolist() == [50, 50, 20, 50, 50, 50, 33]
    assert recording.rows.budget.tolist() == [50] * 7
    assert recording.rows.core.tolist() == [0] * 7
    assert recording.rows.end.tolist() == [0, 0, 0, 0, 0, 0, 4]
    assert [row for row, _item in recording.items] == [3, 7]
    assert [end.outcome for end in recording.run_ends] == ["INSTRUCTION_LIMIT", "FINISHED"]
    assert [end.digest for end in recording.run_ends] == [first.digest, second.digest]
    assert [(point.row, point.step) for point in recording.checkpoints] == [
        (0, 0),
        (3, 120),
        (7, 303),
    ]
    assert recording.items_before == [0, 1, 2]


def test_file_that_is_missing_is_an_error(path: Path) -> None:
    with pytest.raises(FormatError, match="cannot read"):
        Recording.open(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda members: members.pop("manifest.json"), r"no readable manifest\.json"),
        (lambda members: members.pop("image.bin"), r"it has no image\.bin"),
        (lambda members: members.pop("end.json"), r"it is whole and has no end\.json"),
        (lambda members: members.update({"end.json": b"{}"}), r"end\.json cannot be read"),
        (lambda members: members.update({"end.json": b"5"}), r"end\.json cannot be read"),
        (lambda members: members.update({"end.json": b"\xff"}), r"end\.json cannot be read"),
        (lambda members: members.update({"end.json": b'{"chunks": 9}'}), "3 chunks, 9 were"),
        (lambda members: members.pop("chunks/000000.bin"), "no place for chunks/000001"),
        (lambda members: members.pop("chunks/000002.bin"), "2 chunks, 3 were written"),
        (
            lambda members: members.update({"chunks/000001.bin": members["chunks/000002.bin"]}),
            "chunk 1 does not follow the one before",
        ),
        (lambda members: members.update({"other": b""}), "it has no place for other"),
        (lambda members: members.update({"chunks/000001.bin": b"x"}), "a chunk is cut off"),
    ],
)
def test_archive_that_holds_something_else_is_refused(
    path: Path, change: Callable[[Members], object], message: str
) -> None:
    record(path, COUNT_TO_100, limits=[100, None])
    rewrite(path, change)
    with pytest.raises(FormatError, match=rf"run\.rec: .*{message}"):
        Recording.open(path)


@pytest.mark.parametrize("key", ["image", "modules", "machine", "made_by"])
@pytest.mark.parametrize("value", [None, 5, "text", [5], {}])
def test_manifest_that_lacks_something_is_refused(path: Path, key: str, value: object) -> None:
    record(path, COUNT_TO_100)
    manifest = json.loads(read_members(path)[0]["manifest.json"])
    manifest[key] = value
    manifest["machine" if key == "modules" else "modules"] = []
    rewrite(path, lambda members: members.update({"manifest.json": json.dumps(manifest).encode()}))
    with pytest.raises(FormatError, match=r"run\.rec: "):
        Recording.open(path)


@pytest.mark.parametrize("facts", [None, 5, "text", [5]])
def test_facts_that_are_none_are_refused(path: Path, facts: object) -> None:
    record(path, COUNT_TO_100)
    manifest = json.loads(read_members(path)[0]["manifest.json"])
    manifest["facts"] = facts
    rewrite(path, lambda members: members.update({"manifest.json": json.dumps(manifest).encode()}))
    with pytest.raises(FormatError, match=r"run\.rec: damaged"):
        Recording.open(path)


@pytest.mark.parametrize(
    ("facts", "name"), [({}, "run.rec"), ({"target": "guest.asm"}, "guest.asm")]
)
def test_target_has_its_name_from_the_facts_or_the_file(
    path: Path, facts: dict[str, str], name: str
) -> None:
    with Machine(cores=1, memory_bytes=2 << 20, boot="long") as machine:
        machine.load(assemble(".set SIZE, 5\n_start: hlt\n"))
        with Recorder(machine, path, facts=facts):
            machine.run()
    target = Recording.open(path).target
    assert (target.name, target.labels, target.lines[0].line) == (name, {"_start": 0x10_0000}, 2)


def test_recording_that_stopped_before_its_first_checkpoint_is_refused(path: Path) -> None:
    record(path, COUNT_TO_100)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"chunks/000000.bin") - 30])
    with pytest.raises(FormatError, match="it was stopped before anything was recorded"):
        Recording.open(path)


def test_other_archive_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other", b"data")
    with pytest.raises(FormatError, match=r"no readable manifest\.json"):
        Recording.open(path)


def test_recording_takes_few_bytes_a_slice(path: Path) -> None:
    record(path, BUSY, 4, RoundRobin(20), [200_000])
    recording = Recording.open(path)
    assert len(recording.rows) > 9000
    assert path.stat().st_size / len(recording.rows) < 6
