"""Counterexamples told for people."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from violating import Found, explored

from uniSMP.checks.history import History, Needs, Violation
from uniSMP.explore.account import Account, give_account
from uniSMP.explore.account_text import as_text
from uniSMP.explore.counterexample import explain
from uniSMP.explore.judging import Judge
from uniSMP.explore.retrying import Lenient
from uniSMP.explore.schedule import Slice
from uniSMP.explore.shrinking import shrink
from uniSMP.machine.target import Target

WAITING = """
.set LOCK, 0x2008
_start:
    test edi, edi
    jnz second
    lock inc dword ptr [LOCK]
    mov ecx, 9
turn:
    mov eax, [flag]
    dec ecx
    jnz turn
await_flag:
    pause
    cmp dword ptr [flag], 2
    jne await_flag
second:
    cli
    nop
    mov dword ptr [flag], 1
    hlt
.balign 8
flag: .long 0
"""

TOLD = """\
toy: livelock: no core can ever go on: core 0 spins at await_flag with interrupts disabled; core 1
  is halted at second+0xe with interrupts disabled
3 slices, 2 switches (no switch can be dropped), 0 interrupts accepted, 40 instructions from step 0
  on

1. core 0 runs 9 instructions, from step 0
    _start:
      0  <source>:4                 test edi, edi
        ... 1 instruction
      2  <source>:6                 lock inc dword ptr [0x2008]     ; 0x2008: 0 -> 1
        ... 1 instruction
    turn:
      4  <source>:9                 mov eax, dword ptr [0x100038]   ; flag is 0
        ... 3 instructions
      8  <source>:10                dec ecx

2. core 1 runs 6 instructions, from step 9
    _start:
      9  <source>:4                 test edi, edi
        ... 1 instruction
    second:
     11  <source>:17                cli
        ... 1 instruction
     13  <source>:19                mov dword ptr [0x100038], 1     ; flag = 1
     14  <source>:20                hlt

3. core 0 runs 25 instructions, from step 15
    turn:
     15  <source>:11                jne turn
     16  <source>:9                 mov eax, dword ptr [0x100038]   ; flag is 1
        ... 20 instructions
    await_flag:
     37  <source>:13                pause
     38  <source>:14                cmp dword ptr [0x100038], 2     ; flag is 1
     39  <source>:15                jne await_flag

In the end
  core 0 spins at await_flag (<source>:13), IF=0
    next: pause
    waits for flag (4 bytes at 0x100038) to be other than 1
  core 1 is halted at second+0xe (<source>:21), IF=0
    next: nop
"""


def _told(name: str, check: str) -> Account:
    found = Found(name, check, rests=check != "failure")
    shrunk = shrink(found.trial, found.slices)
    shown = explain(found.trial, found.performer.executor, shrunk)
    return give_account(found.performer, Target.of_program(name), shown)


def test_an_account_reads_as_wanted() -> None:
    make, performer, shown = explored(WAITING, [Slice(0, 9), Slice(1, 5)])
    machine = make()
    assert machine.image is not None
    assert as_text(give_account(performer, Target("toy", machine.image), shown)) == TOLD


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("pair_freeze_naive", "livelock"),
        ("pair_delegate_irqoff", "livelock"),
        ("pair_tas_irqon", "livelock"),
        ("pair_swap_naive", "failure"),
        ("pair_cli_only", "exclusion"),
        ("window_arrival", "failure"),
    ],
)
def test_accounts_of_broken_programs_fit_and_are_whole(name: str, check: str) -> None:
    account = _told(name, check)
    text = as_text(account)
    assert max(map(len, text.splitlines())) <= 100
    assert text.startswith(f"{name}: {check}: ")
    told = json.loads(json.dumps(account.as_dict()))
    counts = [
        sum(line["skipped"] + 1 for line in part["lines"]) + part["skipped"]
        for part in told["parts"]
    ]
    assert counts == [part["instructions"] for part in told["parts"]]


def test_a_stuck_core_tells_what_it_waits_for() -> None:
    account = _told("pair_freeze_naive", "livelock")
    states = [(core.state, core.interrupts_enabled, core.pending) for core in account.cores]
    assert states == [("spins", False, 0x45)] * 2
    waits = [
        [(word.size, word.value, word.is_shared) for word in core.waits] for core in account.cores
    ]
    assert waits == [[(4, 0, False)]] * 2


def test_an_interrupt_that_is_held_back_and_accepted_is_told() -> None:
    account = _told("window_arrival", "failure")
    held = [(part.core, part.accepts, part.holds_back) for part in account.parts]
    assert held == [(1, None, None), (0, None, 0x41), (0, 0x41, None)]
    notes = [line.notes for part in account.parts for line in part.lines]
    assert ("interrupt for core 0",) in notes
    assert ("arrival_events: 0 -> 1",) in notes
    assert notes.index(("arrival_events: 0 -> 1",)) < notes.index(("arrival_events = 0",))


def test_instructions_that_the_violation_names_are_told() -> None:
    account = _told("pair_cli_only", "exclusion")
    named = {line.rip for part in account.parts for line in part.lines}
    assert set(account.violation.rips) <= named
    assert [core.state for core in account.cores] == ["can go on", "can go on"]
    assert account.ending is None


class _Watches:
    """A check that complains where it is not shown what it needs."""

    name = "watches"
    needs = Needs.EVENTS | Needs.FLAGS

    def __init__(self) -> None:
        self.seen: list[tuple[bool, bool]] = []

    def examine(self, history: History) -> list[Violation]:
        self.seen.append((bool(history.events), history.flags is not None))
        return []


def test_an_account_takes_nothing_from_the_checks_of_later_executions() -> None:
    found = Found("pair_cli_only", "exclusion")
    performer = found.performer
    check = _Watches()
    judge = Judge(performer.executor, [check])
    shown = explain(found.trial, performer.executor, shrink(found.trial, found.slices))
    target = Target.of_program("pair_cli_only")
    for _ in range(2):
        execution = performer.perform(Lenient(found.slices))
        assert execution is not None
        judge.judge(execution)
        give_account(performer, target, shown)
    assert check.seen == [(True, True)] * 2
