"""The options of `unismp run` that trace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uniSMP.errors import ConfigError
from uniSMP.trace.reader import Trace

Unismp = Callable[..., Any]
Source = Callable[[str], str]
GUEST = """
_start:
    mov ecx, 3
again:
    push rcx
    pop rax
    dec ecx
    jnz again
    xor eax, eax
    out 0xF4, al
"""


@pytest.fixture
def traced(unismp: Unismp, source: Source, tmp_path: Path) -> Callable[..., Trace]:
    """Trace the guest with options; return the trace."""

    def run(*options: str) -> Trace:
        call = unismp("run", source(GUEST), "--trace", str(tmp_path / "t"), *options)
        assert (call.status, call.err) == (0, "")
        return Trace(tmp_path / "t")

    return run


@pytest.mark.parametrize("level", ["events", "blocks", "instructions", "memory", "registers"])
def test_trace_has_the_tables_of_its_level(traced: Callable[..., Trace], level: str) -> None:
    trace = traced("--trace-level", level)
    assert trace.level.word == level
    assert trace.manifest["complete"] is True
    assert trace.manifest["outcome"] == "FINISHED"


def test_trace_is_at_level_memory_unless_told_otherwise(traced: Callable[..., Trace]) -> None:
    trace = traced()
    assert trace.rows("SELECT count(*) AS n FROM memory WHERE origin = 'instruction'") == [{"n": 6}]
    assert trace.source_line(trace.symbols["again"]).endswith("guest.asm:5")


def test_symbol_and_steps_choose_rows(traced: Callable[..., Trace]) -> None:
    trace = traced("--trace-symbol", "again", "--trace-steps", "0..6")
    rows = trace.rows("SELECT step FROM instructions ORDER BY step")
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]


def test_address_chooses_rows(traced: Callable[..., Trace]) -> None:
    trace = traced("--trace-address", "0x100005..0x100006")
    rows = trace.rows("SELECT DISTINCT rip FROM instructions")
    assert rows == [{"rip": 0x100005}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trace-symbol", "nowhere"), "there is no label 'nowhere'"),
        (("--trace-symbol", "again.._start"), "does not lie behind"),
        (("--trace-steps", "5"), "write A..B"),
        (("--trace-steps", "9..3"), "nothing lies between"),
        (("--trace-steps", "a..b"), "is no number"),
        (("--trace-address", "8..8"), "nothing lies between"),
        (("--trace-cores", "7"), "this machine has cores 0 to 0"),
        (("--trace-cores", "x"), "is no number"),
    ],
)
def test_option_that_makes_no_sense_is_refused_before_anything_is_written(
    unismp: Unismp, source: Source, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    call = unismp("run", source(GUEST), "--trace", str(tmp_path / "t"), *options)
    assert call.status == 2
    assert message in call.err
    assert len(call.err.splitlines()) == 1
    assert not (tmp_path / "t").exists()


def test_existing_trace_is_kept_without_force(
    unismp: Unismp, source: Source, tmp_path: Path
) -> None:
    arguments = ("run", source(GUEST), "--trace", str(tmp_path / "t"))
    assert unismp(*arguments).status == 0
    again = unismp(*arguments)
    assert (again.status, "--force" in again.err) == (2, True)
    assert unismp(*arguments, "--force").status == 0


def test_json_stays_one_object(unismp: Unismp, source: Source, tmp_path: Path) -> None:
    call = unismp("run", source(GUEST), "--trace", str(tmp_path / "t"), "--json")
    assert json.loads(call.out)["outcome"] == "FINISHED"


def test_failed_write_keeps_the_outcome_and_says_so(
    unismp: Unismp, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("uniSMP.trace.writer._write_segment", refuse)
    call = unismp("run", source(GUEST), "--trace", str(tmp_path / "t"))
    assert call.status == 0
    assert "FINISHED" in call.out
    assert "warning: the trace" in call.err
    assert "No space left on device" in call.err


def test_run_that_ends_by_an_error_leaves_what_it_traced(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unismp: Unismp
) -> None:
    def fail(_display: object) -> bool:
        raise ConfigError("stop here")

    monkeypatch.setattr("uniSMP.cli.run.RunDisplay.tick", fail)
    call = unismp("run", source(GUEST), "--trace", str(tmp_path / "t"), "--quantum", "4")
    assert (call.status, "stop here" in call.err) == (2, True)
    with Trace(tmp_path / "t") as trace:
        assert trace.manifest["complete"] is False
        assert trace.rows("SELECT count(*) > 0 AS has FROM instructions") == [{"has": True}]
