"""The file of a recording: whole, cut off, and damaged."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uniSMP.errors import ConfigError, FormatError
from uniSMP.replay.container import ContainerWriter, read_members

MEMBERS = {"manifest.json": b"{}", "image.bin": bytes(range(256)) * 40, "chunks/000000.bin": b""}


def write(path: Path, members: dict[str, bytes], *, finishes: bool = True) -> None:
    writer = ContainerWriter(path)
    for name, data in members.items():
        writer.add(name, data)
    writer.begin()
    (writer.finish if finishes else writer.close)()


@pytest.fixture
def whole(path: Path) -> bytes:
    """Return the bytes of a complete file."""
    write(path, MEMBERS)
    return path.read_bytes()


@pytest.mark.parametrize("finishes", [True, False])
def test_members_are_read_as_they_were_written(path: Path, finishes: bool) -> None:  # noqa: FBT001
    write(path, MEMBERS, finishes=finishes)
    assert read_members(path) == (MEMBERS, finishes)


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.text("abc/.0", min_size=1), st.binary(max_size=300), min_size=1))
def test_any_members_are_read_as_they_were_written(path: Path, members: dict[str, bytes]) -> None:
    write(path, members)
    assert read_members(path) == (members, True)


def test_complete_file_is_a_zip_archive(path: Path, whole: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == MEMBERS
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert path.read_bytes() == whole


def test_file_appears_once_it_has_begun(path: Path) -> None:
    path.write_bytes(b"before")
    writer = ContainerWriter(path)
    writer.add("a", b"1")
    assert path.read_bytes() == b"before"
    writer.begin()
    assert read_members(path) == ({"a": b"1"}, False)
    writer.add("b", b"2")
    assert read_members(path) == ({"a": b"1", "b": b"2"}, False)
    writer.finish()
    assert read_members(path) == ({"a": b"1", "b": b"2"}, True)


def test_file_that_never_began_leaves_nothing(path: Path) -> None:
    path.write_bytes(b"before")
    writer = ContainerWriter(path)
    writer.add("a", b"1")
    writer.close()
    writer.close()
    assert [each.name for each in path.parent.iterdir()] == ["run.rec"]
    assert path.read_bytes() == b"before"


def test_file_has_the_permissions_of_any_new_file(path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(path, MEMBERS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_disk_that_is_full_is_an_error(path: Path) -> None:
    writer = ContainerWriter(path)
    writer._file.close()
    writer._file = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115 - as the writer's
    with pytest.raises(ConfigError, match=r"cannot write .*run\.rec: No space left on device"):
        writer.add("a", b"1")
    writer.close()
    assert list(path.parent.iterdir()) == []


def test_file_that_is_missing_is_an_error(path: Path) -> None:
    with pytest.raises(FormatError, match=r"cannot read .*run\.rec: No such file"):
        read_members(path)


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\5\6" + bytes(18), b"\x7fELF"])
def test_other_file_is_no_recording(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(FormatError, match="is no recording"):
        read_members(path)


def header_at(whole: bytes, number: int) -> int:
    """Return where the header of a member begins."""
    at = -1
    for _ in range(number + 1):
        at = whole.index(b"PK\3\4", at + 1)
    return at


@pytest.mark.parametrize(
    ("cut", "names"),
    [
        (lambda whole: header_at(whole, 0) + 4, []),
        (lambda whole: header_at(whole, 1), ["manifest.json"]),
        (lambda whole: header_at(whole, 1) + 1, ["manifest.json"]),
        (lambda whole: header_at(whole, 1) + 29, ["manifest.json"]),
        (lambda whole: header_at(whole, 1) + 35, ["manifest.json"]),
        (lambda whole: header_at(whole, 2) - 1, ["manifest.json"]),
        (lambda whole: header_at(whole, 2), ["manifest.json", "image.bin"]),
        (lambda whole: whole.index(b"PK\1\2"), list(MEMBERS)),
    ],
)
def test_file_that_is_cut_off_has_the_members_that_are_whole(
    path: Path, whole: bytes, cut: object, names: list[str]
) -> None:
    path.write_bytes(whole[: cut(whole)])  # type: ignore[operator]
    assert read_members(path) == ({name: MEMBERS[name] for name in names}, False)


@pytest.mark.parametrize("back", range(1, 60, 7))
def test_file_that_is_cut_inside_its_directory_has_all_members(
    path: Path, whole: bytes, back: int
) -> None:
    path.write_bytes(whole[:-back])
    assert read_members(path) == (MEMBERS, False)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (6, b"\1", "header of member manifest.json at byte 0 is not valid"),
        (8, b"\0", "header of member manifest.json at byte 0 is not valid"),
        (14, b"\xff", "checksum of member manifest.json does not match"),
        (18, b"\1", "manifest.json"),
        (19, b"\xff", "wrong size"),
        (22, b"\7", "has not the size that its header says"),
        (25, b"\xff", "header of member manifest.json at byte 0 is not valid"),
        (28, b"\1", "header of member"),
        (31, b"Z", "the directory does not name the members that are there"),
        (43, b"\xff", "member manifest.json"),
    ],
)
def test_member_with_a_byte_changed_is_damage(
    path: Path, whole: bytes, offset: int, value: bytes, message: str
) -> None:
    path.write_bytes(whole[:offset] + value + whole[offset + 1 :])
    with pytest.raises(FormatError, match=message):
        read_members(path)


def test_bytes_between_members_are_damage(path: Path, whole: bytes) -> None:
    at = header_at(whole, 1)
    path.write_bytes(whole[:at] + bytes(64) + whole[at:])
    with pytest.raises(FormatError, match=f"damaged: no member begins at byte {at}"):
        read_members(path)


def test_member_that_is_there_twice_is_damage(path: Path, whole: bytes) -> None:
    path.write_bytes(whole[: header_at(whole, 1)] + whole)
    with pytest.raises(FormatError, match=r"header of member manifest\.json at byte \d+"):
        read_members(path)


def test_directory_that_lacks_a_member_is_damage(path: Path, whole: bytes) -> None:
    write(path, {"only": b"1"})
    path.write_bytes(whole[: whole.index(b"PK\1\2")] + path.read_bytes())
    with pytest.raises(FormatError, match="the directory"):
        read_members(path)


def test_member_that_unpacks_to_more_than_it_says_is_not_unpacked_whole(path: Path) -> None:
    write(path, {"bomb": bytes(50 << 20)})
    data = bytearray(path.read_bytes())
    data[22:26] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(FormatError, match="has not the size that its header says"):
        read_members(path)
