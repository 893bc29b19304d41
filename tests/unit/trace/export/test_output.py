from pathlib import Path

import pytest

from uniSMP.errors import ConfigError
from uniSMP.trace.export.output import whole_file


def test_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole_file(path, force=False) as stream:
        stream.write(b"text")
        assert not path.exists()
    assert path.read_bytes() == b"text"
    assert list(tmp_path.iterdir()) == [path]


def write_and_fail(path: Path) -> None:
    with whole_file(path, force=False) as stream:
        stream.write(b"text")
        raise ConfigError("no more")


def test_error_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no more"):
        write_and_fail(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_existing_file_stays_without_force(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with (
        pytest.raises(ConfigError, match="exists already: --force"),
        whole_file(path, force=False),
    ):
        pytest.fail("it was opened")
    with whole_file(path, force=True) as stream:
        stream.write(b"new")
    assert path.read_text() == "new"


@pytest.mark.parametrize(("name", "text"), [("", "is a folder"), ("none/file", "cannot write")])
def test_place_that_takes_no_file_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text), whole_file(tmp_path / name, force=True):
        pytest.fail("it was opened")
