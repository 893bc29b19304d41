"""What is wrong with an execution: how it ended, and what the checks of the plan say.

Always looked at: a guest that ends by the debug-exit port with another value than 0, a triple
fault, and cores of which none can ever go on although not all of them rest. A core that halted with
interrupts disabled, or spins on memory that nobody will change, never goes on.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace
from operator import or_

from uniSMP.checks.history import Check, History, Needs, Violation
from uniSMP.core import native_state as ns
from uniSMP.core.core import Core
from uniSMP.core.log_decoding import Accesses, Recorded
from uniSMP.explore.executor import Executor
from uniSMP.explore.fabric import MARKS
from uniSMP.explore.strategy import Execution
from uniSMP.machine.log_history import Surroundings, history_of
from uniSMP.machine.outcome import Ending, Outcome

DEADLOCK, LIVELOCK, FAILED, DEAD = "deadlock", "livelock", "failure", "triple fault"


class Judge:
    """Judges executions of one executor.

    Args:
        executor: its scene has begun.
        checks: what they are examined for, beside their ends.
    """

    def __init__(self, executor: Executor, checks: Sequence[Check]) -> None:
        self._executor = executor
        self._checks = checks
        needs = functools.reduce(or_, (check.needs for check in checks), Needs.NOTHING)
        executor.observe(
            events=Needs.EVENTS in needs, registers=bool((Needs.FLAGS | Needs.PAGING) & needs)
        )
        self._names = sorted((address, name) for name, address in executor.machine.symbols.items())

    def judge(self, execution: Execution) -> list[Violation]:
        """Return what is wrong with the execution that the executor has just run."""
        found = self._ending(execution)
        if self._checks:
            history = self.history(execution)
            for check in self._checks:
                found += check.examine(history)
        return found

    def history(self, execution: Execution) -> History:
        """Return the execution that the executor has just run as a history for checks."""
        return history_of_execution(self._executor, execution)

    # -- endings ---------------------------------------------------------------------------------

    def _ending(self, execution: Execution) -> list[Violation]:
        ending = execution.ending
        if ending is not None:
            return self._bad_ending(ending)
        if not execution.is_complete or all(execution.rests) or self._executor.waits_for_time:
            return []
        return [self._stuck(execution)]

    def _bad_ending(self, ending: Ending) -> list[Violation]:
        if ending.outcome is Outcome.FINISHED:
            return []
        step = self._executor.steps
        if ending.outcome is Outcome.TRIPLE_FAULT:
            return [Violation(DEAD, ending.reason, step, -1, (DEAD,))]
        name = FAILED if ending.outcome is Outcome.GUEST_FAILED else DEADLOCK
        return [Violation(name, ending.reason, step, -1, (name, ending.exit_value or 0))]

    def _stuck(self, execution: Execution) -> Violation:
        """Return that no core can ever go on."""
        cores = self._executor.cores
        stuck = [core for core in cores if not execution.rests[core.core_id]]
        spins = any(execution.waits[core.core_id] for core in stuck)
        name = LIVELOCK if spins else DEADLOCK
        states = "; ".join(f"core {core.core_id} {self._state(core, execution)}" for core in stuck)
        places = sorted({core.engine.context.linear_rip for core in stuck})
        return Violation(
            check=name,
            summary=f"no core can ever go on: {states}",
            step=self._executor.steps,
            core=stuck[0].core_id,
            key=(name,),
            rips=tuple(places),
        )

    def _state(self, core: Core, execution: Execution) -> str:
        where = self.name(core.engine.context.linear_rip)
        masked = "" if core.has_interrupts_enabled else " with interrupts disabled"
        if execution.waits[core.core_id]:
            return f"spins at {where}{masked}"
        if core.waits_for_start:
            return "waits for SIPI"
        return f"is halted at {where}{masked}" if core.is_halted else f"stands at {where}"

    def name(self, address: int) -> str:
        """Return a linear address as symbol+offset."""
        last = None
        for place, symbol in self._names:
            if place > address:
                break
            last = place, symbol
        if last is None:
            return f"{address:#x}"
        return last[1] if last[0] == address else f"{last[1]}+{address - last[0]:#x}"


def history_of_execution(executor: Executor, execution: Execution) -> History:
    """Return the execution that an executor has just run as a history for checks.

    It has events and flags if the executor observes them, see `Executor.observe`.
    """
    log, first = executor.log, executor.first_step
    recorded = Recorded(
        log.words,
        int(log.head[ns.LOG_COUNT]),
        (first, first + execution.analysis.steps),
        executor.machine.parts.catalog.arrays(),
        wants_instructions=True,
    )
    around = Surroundings(
        cores=len(executor.cores),
        memory=executor.memory_at_scene,
        symbols=executor.machine.symbols,
        events=executor.marks.events(),
        is_over=execution.is_complete,
    )
    executed = recorded.decode()
    return history_of(replace(executed, accesses=_without_marks(executed.accesses)), around)


def _without_marks(rows: Accesses) -> Accesses:
    """Return the accesses to memory."""
    keep = rows.physical < MARKS
    if keep.all():
        return rows
    return Accesses(*(getattr(rows, name)[keep] for name in Accesses.__slots__))
