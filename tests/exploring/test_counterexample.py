"""Counterexamples as recordings: they show the violation again, also in another process."""

import functools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from violating import ALONE, Found, explored, loaded

from uniSMP import Outcome, Recording, Replayer, RunResult
from uniSMP.errors import ConfigError, DivergenceError
from uniSMP.explore.counterexample import (
    Counterexample,
    explain,
    keep_counterexample,
    save,
)
from uniSMP.explore.exploration import explore
from uniSMP.explore.job import CheckChoice, Plan
from uniSMP.explore.schedule import Slice, switches
from uniSMP.explore.shrinking import Shrunk, shrink
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.observation import Observation, memory_now
from uniSMP.machine.target import Target


@functools.cache
def _shown(name: str, check: str) -> Counterexample:
    found = Found(name, check, rests=check != "failure")
    return explain(found.trial, found.performer.executor, shrink(found.trial, found.slices))


def _saved(path: Path, name: str, shown: Counterexample) -> RunResult:
    machine = loaded(name)
    return save(path, Target(name, machine.image or b""), machine, shown)


SHOWN = [
    ("pair_freeze_naive", "livelock", Outcome.INSTRUCTION_LIMIT, True),
    ("pair_delegate_irqoff", "livelock", Outcome.INSTRUCTION_LIMIT, True),
    ("pair_tas_irqon", "livelock", Outcome.INSTRUCTION_LIMIT, True),
    ("pair_swap_naive", "failure", Outcome.GUEST_FAILED, False),
    ("pair_cli_only", "failure", Outcome.GUEST_FAILED, False),
    ("pair_cli_only", "exclusion", Outcome.INSTRUCTION_LIMIT, False),
    ("window_arrival", "failure", Outcome.GUEST_FAILED, False),
]
REPLAY = """
import json, sys
from uniSMP import Replayer
ends = []
for path in sys.argv[1:]:
    with Replayer(path) as replayer:
        result = replayer.run()
    ends.append([result.outcome, result.digest])
print(json.dumps(ends))
"""


@pytest.fixture(scope="module")
def replays(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[tuple[str, str], tuple[RunResult, list[str]]]:
    """Each counterexample as it was recorded, and its outcome and digest in another process."""
    folder = tmp_path_factory.mktemp("recordings")
    paths = {(name, check): folder / f"{name}-{check}.rec" for name, check, _, _ in SHOWN}
    results = [_saved(path, each[0], _shown(*each)) for each, path in paths.items()]
    replay = subprocess.run(
        [sys.executable, "-c", REPLAY, *paths.values()], capture_output=True, text=True, check=True
    )
    return dict(zip(paths, zip(results, json.loads(replay.stdout), strict=True), strict=True))


@pytest.mark.parametrize(("name", "check", "outcome", "is_stuck"), SHOWN)
def test_recording_replays_in_a_fresh_process(
    replays: dict[tuple[str, str], tuple[RunResult, list[str]]],
    name: str,
    check: str,
    outcome: Outcome,
    *,
    is_stuck: bool,
) -> None:
    result, replayed = replays[name, check]
    assert (result.outcome, bool(_shown(name, check).stuck)) == (outcome, is_stuck)
    assert replayed == [outcome, result.digest]


def test_the_command_verifies_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "found.rec"
    result = _saved(path, "pair_freeze_naive", _shown("pair_freeze_naive", "livelock"))
    verify = subprocess.run(
        [sys.executable, "-m", "uniSMP", "verify", "--runs", "1", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"digest {result.digest}" in verify.stdout


def test_recording_says_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "found.rec"
    shown = _shown("pair_freeze_naive", "livelock")
    _saved(path, "pair_freeze_naive", shown)
    facts = Recording.open(path).manifest["facts"]
    assert facts["target"] == "pair_freeze_naive"
    assert facts["violation"] == {
        "check": "livelock",
        "summary": shown.violation.summary,
        "step": shown.scene_step + sum(each.instructions for each in shown.slices),
        "scene_step": shown.scene_step,
        "slices": 2,
        "switches": 1,
        "minimal": True,
    }


def test_stuck_cores_stay_where_they_were_found(tmp_path: Path) -> None:
    path = tmp_path / "found.rec"
    shown = _shown("pair_freeze_naive", "livelock")
    _saved(path, "pair_freeze_naive", shown)
    with Replayer(path) as replayer:
        symbols, cores = replayer.machine.symbols, replayer.machine.cores
        replayer.goto(shown.violation.step)
        places = [symbols[name] for name in ("protocol_take_wait", "freeze_is_answered_next")]
        assert [core.linear_rip for core in cores] == places
        replayer.goto(replayer.recording.steps)
        assert replayer.machine.memory.read_integer(symbols["pair_done"], 4) == 0
        assert [core.registers["rflags"] & 0x200 for core in cores] == [0, 0]


def test_the_check_finds_the_violation_in_the_replay(tmp_path: Path) -> None:
    path = tmp_path / "found.rec"
    shown = _shown("pair_cli_only", "exclusion")
    _saved(path, "pair_cli_only", shown)
    seen = Observation(ALONE.needs)
    with Replayer(path) as replayer:
        machine = replayer.machine
        memory = memory_now(machine)
        replayer.run(trace=seen)
        history = seen.history(
            cores=2, first_step=0, memory=memory, symbols=machine.symbols, is_over=False
        )
    found = ALONE.examine(history)
    assert [(each.key, each.step) for each in found] == [
        (shown.violation.key, shown.violation.step)
    ]
    assert found[0].step == history.end_step - 1


@pytest.mark.parametrize(
    ("source", "outcome", "stuck", "reason"),
    [
        pytest.param("cli\nhlt", Outcome.DEADLOCK, (0, 1), "no core can ever run again", id="halt"),
        pytest.param(
            "test edi, edi\njz explore_until\nnext: pause\njmp next\nexplore_until: out 0xF4, al",
            Outcome.INSTRUCTION_LIMIT,
            (1,),
            "the limit of instructions is reached",
            id="one rests, one spins",
        ),
        pytest.param(
            "test edi, edi\njz explore_until\ncli\nhlt\nexplore_until: out 0xF4, al",
            Outcome.INSTRUCTION_LIMIT,
            (1,),
            "the counterexample ends here: no core can ever go on: core 1 is halted",
            id="one rests, one halts",
        ),
        pytest.param(
            "lidt [rip + none]\nud2\nnone: .quad 0, 0",
            Outcome.TRIPLE_FAULT,
            (),
            "core 0: triple fault",
            id="triple fault",
        ),
        pytest.param(
            "mov al, 9\nout 0xF4, al", Outcome.GUEST_FAILED, (), "the guest wrote 9", id="failure"
        ),
    ],
)
def test_every_kind_of_end_replays(
    tmp_path: Path, source: str, outcome: Outcome, stuck: tuple[int, ...], reason: str
) -> None:
    path = tmp_path / "found.rec"
    make, _, shown = explored(f"_start:\n{source}", [])
    result = save(path, Target("guest", make().image or b""), make(), shown)
    assert (result.outcome, shown.stuck) == (outcome, stuck)
    assert result.reason.startswith(reason)
    with Replayer(path) as replayer:
        assert replayer.run() == result


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slices": [Slice(0, 3)]}, "the run ended early: the guest wrote 9"),
        ({"slices": [Slice(0, 1)]}, "the run ended as INSTRUCTION_LIMIT .*, not as GUEST_FAILED"),
    ],
)
def test_what_does_not_show_its_end_is_an_error(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    make, _, shown = explored("_start: mov al, 9\nout 0xF4, al\nhlt", [])
    wrong = replace(shown, **changes)
    with pytest.raises(DivergenceError, match=message):
        save(tmp_path / "found.rec", Target("guest", make().image or b""), make(), wrong)


def test_what_an_exploration_found_is_kept(tmp_path: Path) -> None:
    plan = Plan(
        target=Target.of_program("pair_cli_only"),
        config=MachineConfig(cores=2),
        strategy="bounded",
        parameters={"preemptions": 1},
        from_symbol="explore_from",
        until_symbol="explore_until",
        checks=(CheckChoice("exclusion", {"regions": ["pmm_enter..pmm_exit"]}),),
    )
    found = explore(plan).summary.found[0].content
    path = tmp_path / "found.rec"
    shown = keep_counterexample(plan, found, path)
    assert list(shown.violation.key) == found["key"]
    assert switches(shown.slices) == 1
    with Replayer(path) as replayer:
        assert replayer.run().steps == shown.violation.step + 1


def test_a_machine_that_has_run_is_refused(tmp_path: Path) -> None:
    make, _, shown = explored("_start: cli\nhlt", [])
    machine = make()
    machine.run()
    with pytest.raises(ConfigError, match="has run already"):
        save(tmp_path / "found.rec", Target("guest", b""), machine, shown)


def test_a_schedule_that_shows_nothing_is_refused() -> None:
    found = Found("pair_cli_only", "exclusion")
    with pytest.raises(DivergenceError, match="does not show its violation again"):
        explain(found.trial, found.performer.executor, Shrunk([], is_minimal=True, tries=1))
