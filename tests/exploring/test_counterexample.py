"""Counterexamples as recordings: they show the violation again, also in another process."""

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from violating import ALONE, Found, loaded

from uniSMP import Machine, Outcome, Recording, Replayer, RunResult, assemble
from uniSMP.checks.history import Violation
from uniSMP.errors import ConfigError, DivergenceError
from uniSMP.explore.counterexample import (
    Counterexample,
    explain,
    keep_counterexample,
    save,
)
from uniSMP.explore.exploration import explore
from uniSMP.explore.job import CheckChoice, Plan
from uniSMP.explore.judging import Judge
from uniSMP.explore.retrying import Trial
from uniSMP.explore.scene import set_scene
from uniSMP.explore.schedule import Slice, switches
from uniSMP.explore.shrinking import Shrunk, shrink
from uniSMP.explore.strategy import Performer
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


@pytest.mark.parametrize(
    ("name", "check", "outcome", "stuck"),
    [
        ("pair_freeze_naive", "livelock", Outcome.INSTRUCTION_LIMIT, (0, 1)),
        ("pair_delegate_irqoff", "livelock", Outcome.INSTRUCTION_LIMIT, (0, 1)),
        ("pair_tas_irqon", "livelock", Outcome.INSTRUCTION_LIMIT, (0, 1)),
        ("pair_swap_naive", "failure", Outcome.GUEST_FAILED, ()),
        ("pair_cli_only", "failure", Outcome.GUEST_FAILED, ()),
        ("pair_cli_only", "exclusion", Outcome.INSTRUCTION_LIMIT, ()),
        ("window_arrival", "failure", Outcome.GUEST_FAILED, ()),
    ],
)
def test_recording_replays_in_a_fresh_process(
    tmp_path: Path, name: str, check: str, outcome: Outcome, stuck: tuple[int, ...]
) -> None:
    path = tmp_path / "found.rec"
    shown = _shown(name, check)
    result = _saved(path, name, shown)
    assert (result.outcome, shown.stuck) == (outcome, stuck)
    replay = subprocess.run(
        [sys.executable, "-m", "uniSMP", "replay", "--json", path],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(replay.stdout)
    assert (told["outcome"], told["digest"]) == (outcome, result.digest)


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


def _explored(source: str, slices: list[Slice]) -> tuple[Callable[[], Machine], Counterexample]:
    """Return a maker of machines, and what the only violation of an execution comes to."""

    def make() -> Machine:
        machine = Machine(cores=2, boot="long")
        machine.load(assemble(source))
        return machine

    executor = set_scene(make())
    performer, judge = Performer(executor), Judge(executor, [])
    seen: list[Violation] = []
    trial = Trial(performer, lambda execution: _noted(seen, judge.judge(execution)), ("none",))
    trial(slices)
    trial = Trial(performer, judge.judge, seen[0].key)
    return make, explain(trial, executor, Shrunk(slices, is_minimal=True, tries=1))


def _noted(seen: list[Violation], found: list[Violation]) -> list[Violation]:
    seen += found
    return found


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
    make, shown = _explored(f"_start:\n{source}", [])
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
    make, shown = _explored("_start: mov al, 9\nout 0xF4, al\nhlt", [])
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
    make, shown = _explored("_start: cli\nhlt", [])
    machine = make()
    machine.run()
    with pytest.raises(ConfigError, match="has run already"):
        save(tmp_path / "found.rec", Target("guest", b""), machine, shown)


def test_a_schedule_that_shows_nothing_is_refused() -> None:
    found = Found("pair_cli_only", "exclusion")
    with pytest.raises(DivergenceError, match="does not show its violation again"):
        explain(found.trial, found.performer.executor, Shrunk([], is_minimal=True, tries=1))
