from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from uniSMP.cli.main import main


@dataclass(frozen=True)
class Call:
    status: int
    out: str
    err: str


@pytest.fixture
def unismp(capsys: pytest.CaptureFixture[str]) -> Callable[..., Call]:
    """Call the command in this process."""

    def call(*arguments: str) -> Call:
        with pytest.raises(SystemExit) as left:
            main(arguments)
        captured = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Call(left.value.code, captured.out, captured.err)

    return call


@pytest.fixture
def source(tmp_path: Path) -> Callable[[str], str]:
    """Write a source file and return its path."""

    def write(text: str) -> str:
        path = tmp_path / "guest.asm"
        path.write_text(text)
        return str(path)

    return write
