"""`unismp trace html` writes a page, and refuses what it cannot show."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Unismp = Callable[..., Any]


@pytest.fixture
def trace(unismp: Unismp, tmp_path: Path) -> str:
    folder = str(tmp_path / "trace")
    unismp("run", "hello", "--trace", folder, "--trace-level", "blocks")
    return folder


def test_page_is_written(unismp: Unismp, trace: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    call = unismp("trace", "html", trace, "-o", str(path))
    assert call.status == 0
    assert call.out == f"{path}: {path.stat().st_size:,} bytes\n"
    assert path.read_text().startswith("<!DOCTYPE html>")


def test_window_of_steps_is_a_smaller_page(unismp: Unismp, trace: str, tmp_path: Path) -> None:
    every, some = tmp_path / "every.html", tmp_path / "some.html"
    unismp("trace", "html", trace, "-o", str(every))
    unismp("trace", "html", trace, "-o", str(some), "--steps", "0..0x100", "--core", "0")
    assert some.stat().st_size < every.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", "5"), "write A..B"),
        (("--steps", ".."), "write A..B"),
        (("--steps", "a..b"), "is no number"),
        (("--steps", "9..9"), "nothing lies between"),
        (("--steps", "99999999.."), "has no event"),
        (("--source", "/nowhere"), "no folder"),
        (("--max-events", "0"), "max-events"),
        (("-o", "/nowhere/page.html"), "cannot write"),
    ],
)
def test_wrong_use_is_one_line(
    unismp: Unismp, trace: str, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    call = unismp("trace", "html", trace, "-o", str(tmp_path / "page.html"), *arguments)
    assert (call.status, call.out, call.err.count("\n")) == (2, "", 1)
    assert message in call.err


def test_folder_without_trace_is_refused(unismp: Unismp, tmp_path: Path) -> None:
    call = unismp("trace", "html", str(tmp_path), "-o", str(tmp_path / "page.html"))
    assert call.status == 2
    assert "holds no trace" in call.err
