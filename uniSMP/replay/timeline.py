"""A machine that can be moved to any moment of its run, forwards and backwards.

Moving forwards runs the rows of the history exactly; moving backwards restores a snapshot and goes
forwards from there. Snapshots are taken on the way, and thinned out when there are too many: every
second one goes and the distance between them doubles.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from uniSMP.errors import ConfigError, DivergenceError
from uniSMP.machine.exact_run import ExactRun, Interrupted
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import Ending, Outcome
from uniSMP.machine.written_pages import RamTracking
from uniSMP.replay import search
from uniSMP.replay.chunks import MARK_INTERVAL, Idle, Item, RunEnd
from uniSMP.replay.conditions import Condition, Hit
from uniSMP.replay.history import START, History, Position
from uniSMP.replay.kept_snapshots import Kept, KeptSnapshots, Place

if TYPE_CHECKING:
    from uniSMP.machine.tracer import Tracer

_MASK32 = 0xFFFF_FFFF


class Timeline:
    """One run that is known.

    Args:
        machine: loaded, and as it was before `history` began.
        history: what happened.

    Attributes:
        machine: stands at `position`; look at it as you like, do not change it.
        history: what is known of the run.
        position: where it stands.
        ending: how the run ended, where the end of one is reached; else None.
        compares_marks: whether a mark that differs from the known one is a divergence.
        departed_row: the last row whose mark differed, or None.
    """

    is_live = False

    def __init__(self, machine: Machine, history: History) -> None:
        self.machine = machine
        self.history = history
        self.position = START
        self.ending: RunEnd | None = None
        parts = machine.parts
        self._exact = ExactRun(parts)
        self._tracking = RamTracking(parts.ram)
        self._snapshots: KeptSnapshots | None = None
        self._items = 0
        self._is_between_runs = True
        self._is_lost = False
        self.compares_marks = True
        self.departed_row: int | None = None
        parts.loop.batch.set_marks(0)

    @property
    def step(self) -> int:
        """Instructions retired by all cores."""
        return self.machine.steps

    @property
    def items_done(self) -> int:
        """How many of the history's items came before where the machine stands."""
        return self._items

    @property
    def only(self) -> int | None:
        """The one core that runs; None: as the run says."""
        return None

    @only.setter
    def only(self, core_id: int | None) -> None:
        if core_id is not None:
            raise ConfigError("a recording cannot hold other cores still")

    # -- moving --------------------------------------------------------------------------------

    def goto(self, step: int) -> None:
        """Go to the first moment at which so many instructions were retired by all cores.

        Raises:
            ConfigError: the run has no such step.
            DivergenceError: the machine does not do again what it did.
        """
        if not isinstance(step, int) or not 0 <= step <= self.history.steps:
            raise ConfigError(f"step {step}: this run has steps 0 to {self.history.steps}")
        self.goto_position(self.history.first_at(step))

    def goto_position(self, position: Position) -> None:
        """Go to a moment of the run; between two rows it is behind all that stands there."""
        kept = self.keep_snapshots().nearest(position)
        if self._is_lost or position < self.position or kept.position > self.position:
            self._restore(kept)
        self.advance(position)

    def advance(self, target: Position) -> None:
        """Go forwards to a moment."""
        try:
            if target > self.position:
                self._move(target)
            if self._is_whole():
                self._apply_items(self.position.slice + 1)
        except (DivergenceError, Interrupted) as error:
            self._is_lost = isinstance(error, DivergenceError)
            if not self._exact.is_row_over:
                done = self._exact.core.retired - self._exact.start
                self.position = Position(self._exact.row, done, 0)
            raise

    def _move(self, target: Position) -> None:
        history = self.history
        last = target.slice if target == history.end_of(target.slice) else target.slice - 1
        while self.position.slice < last:
            self._finish_row()
            self._run_rows(last + 1)
            self._keep_if_due()
        if self.position.slice < target.slice:
            self._finish_row()
            self._begin(target.slice)
        self._move_inside(target)

    def _is_whole(self) -> bool:
        return self.position == self.history.end_of(self.position.slice)

    def _finish_row(self) -> None:
        """Run the row that has begun, if any, to its end."""
        if self.position.slice >= 0:
            self._move_inside(self.history.end_of(self.position.slice))

    def _run_rows(self, end: int) -> None:
        """Run whole rows from the next one on, some of those before `end`."""
        history = self.history
        row = self.position.slice + 1
        self._apply_items(row)
        self._begin_run()
        self._exact.ask_host()
        end = min(end, history.next_item_row(row))
        if self._snapshots is not None:
            interval = self._snapshots.interval
            if history.rows.instructions[row] > interval:
                self._begin(row)
                return
            end = max(row + 1, min(end, history.row_of(history.begins(row) + interval)))
        done = self._exact.run_rows(history.rows, row, history.plain_end(row, end))
        self.position = history.end_of(done - 1)
        self._check_marks(row, done)

    def _begin(self, row: int) -> None:
        self._apply_items(row)
        self._begin_run()
        self._exact.begin_row(self.history.rows, row)
        self.position = Position(row, 0, 0)
        self._end_if_whole()

    def _move_inside(self, target: Position) -> None:
        """Go on inside the row that has begun."""
        while self.position.instructions < target.instructions:
            end = target.instructions
            if self._snapshots is not None:
                end = min(end, self.position.instructions + self._snapshots.interval)
            self._exact.run_to(end)
            self.position = Position(target.slice, end, 0)
            if end < target.instructions:
                self._keep_if_due()
        if self.position.faults < target.faults:
            self._exact.raise_faults(target.faults)
            self.position = target
        self._end_if_whole()

    def _end_if_whole(self) -> None:
        row = self.position.slice
        if row >= 0 and self._is_whole() and not self._exact.is_row_over:
            self._exact.end_row(self.history.rows, row)
            self._check_marks(row, row + 1)

    def _check_marks(self, first: int, end: int) -> None:
        """Compare the marks of rows with those of the run that is known.

        Raises:
            DivergenceError: one differs.
        """
        marks, known = self._exact.marks, self.history.rows.mark
        for row in range(first | MARK_INTERVAL - 1, end, MARK_INTERVAL):
            if (int(marks[row - first]) ^ int(known[row])) & _MASK32:
                self.departed_row = row
                if self.compares_marks:
                    raise DivergenceError("the registers are not those of the recorded run")

    # -- what stands between rows --------------------------------------------------------------

    def _apply_items(self, row: int) -> None:
        """Do what stands between the rows that are over and `row`."""
        self.apply_items(self.history.item_index(row))

    def apply_items(self, end: int) -> None:
        """Do what the first `end` items say, as far as it was not done."""
        while self._items < end:
            self._items += 1
            self._apply(self.history.items[self._items - 1][1])

    def _apply(self, item: Item) -> None:
        if isinstance(item, RunEnd):
            self._begin_run()
            self._end_run(item)
            return
        if isinstance(item, Idle):
            self._begin_run()
            self._idle(item.events)
            return
        told, self.machine.on_input = self.machine.on_input, None
        try:
            self.machine.put(item)
        finally:
            self.machine.on_input = told

    def _begin_run(self) -> None:
        """Begin a run where none is under way, unless the guest has ended for good."""
        if self._is_between_runs and not self.machine.parts.loop.is_final:
            self._is_between_runs = False
            self.ending = None
            self.machine.parts.loop.begin(None)

    def _end_run(self, end: RunEnd) -> None:
        """End a run as it ended.

        Raises:
            DivergenceError: the machine ends in another way, or not.
        """
        boundary = self.machine.parts.loop.boundary
        outcome = Outcome(end.outcome)
        self._idle(end.idle_events)
        if outcome is Outcome.DEADLOCK and boundary.ending is None:
            boundary.idle()
        if outcome in {Outcome.INSTRUCTION_LIMIT, Outcome.HOST_TIMEOUT}:
            boundary.end(outcome, end.reason, end.exit_value)
        if boundary.ending != Ending(outcome, end.reason, end.exit_value):
            now = boundary.ending
            found = f"ends as {now.outcome} ({now.reason})" if now else "goes on"
            raise DivergenceError(f"the run ended as {outcome} ({end.reason}); now it {found}")
        self.ending = end
        self._is_between_runs = True

    def _idle(self, events: int) -> None:
        """Let idle time pass until so many device events woke nobody."""
        boundary = self.machine.parts.loop.boundary
        while boundary.ending is None and boundary.idle_events < events:
            boundary.idle()

    # -- snapshots -----------------------------------------------------------------------------

    def keep_snapshots(self) -> KeptSnapshots:
        """Keep snapshots from now on; the machine must be at the start the first time.

        Raises:
            ConfigError: it is not.
        """
        if self._snapshots is None:
            if self.position != START:
                raise ConfigError("keep snapshots before the machine is moved")
            self._snapshots = KeptSnapshots(self.machine.parts, self._tracking)
            self._snapshots.keep(self.position, self._place())
        return self._snapshots

    def _keep_if_due(self) -> None:
        snapshots = self._snapshots
        if snapshots is None or self._exact.is_traced:
            return
        if snapshots.is_due(self.position, self.step):
            snapshots.keep(self.position, self._place())

    def _place(self) -> Place:
        mark, row = self.machine.parts.loop.batch.mark, self._exact.save()
        return Place(self._items, mark, row, self._is_between_runs, self.ending)

    def _restore(self, kept: Kept) -> None:
        place = kept.place
        self.keep_snapshots().restore(kept)
        self._exact.restore(place.row)
        self.machine.parts.loop.batch.set_marks(place.mark)
        self._items, self.position = place.items, kept.position
        self._is_between_runs, self.ending = place.is_between_runs, place.ending
        self._is_lost = False

    # -- searching -----------------------------------------------------------------------------

    def forward(
        self,
        until: Sequence[Condition] = (),
        *,
        is_interrupted: Callable[[], bool] | None = None,
        limit: Position | None = None,
    ) -> Hit | None:
        """Go forwards until a condition is met behind where the machine stands now.

        Args:
            until: what to look for.
            is_interrupted: asked now and then; True ends the search where it is.
            limit: a later moment that is known, at which the search ends.

        Returns:
            What was met; None at the end of the run, at the limit, or where `is_interrupted` said
            so.
        """
        self.keep_snapshots()
        return search.forward(self, until, is_interrupted, limit)

    def backward(
        self,
        until: Sequence[Condition] = (),
        *,
        is_interrupted: Callable[[], bool] | None = None,
    ) -> Hit | None:
        """Go backwards until a condition is met before where the machine stands now.

        Returns:
            What was met; None at the start of the run, or where `is_interrupted` said so.
        """
        self.keep_snapshots()
        return search.backward(self, until, is_interrupted)

    def reverse_continue(self, until: Condition | Sequence[Condition]) -> Hit | None:
        """Do the same for one condition, or several."""
        return self.backward(tuple(until) if isinstance(until, Sequence) else (until,))

    def step_core(
        self,
        core_id: int,
        *,
        is_interrupted: Callable[[], bool] | None = None,  # noqa: ARG002 - for a live one
    ) -> Hit | None:
        """Go forwards until a core has retired one more instruction; None: it never does."""
        return self._step_to(self.history.next_of_core(core_id, self.position), core_id)

    def step_back(self, core_id: int | None = None) -> Hit | None:
        """Go to before the last instruction that was retired, by a core or by any; None: none."""
        if core_id is not None:
            self.machine.core(core_id)  # which knows whether there is one
        step = self.history.previous_of_core(core_id, self.position)
        if step is None:
            return None
        self.goto(step)
        if core_id is None:
            core_id = int(self.history.rows.core[self.history.row_of(step)])
        return self.here(core_id)

    def _step_to(self, step: int | None, core_id: int) -> Hit | None:
        if step is None:
            return None
        self.goto(step)
        return self.here(core_id)

    def here(self, core_id: int, condition: Condition | None = None) -> Hit:
        """Return where a core stands, as a hit."""
        rip = self.machine.parts.cores[core_id].engine.context.linear_rip
        return Hit(condition, core_id, self.step, rip)

    def raise_fault(self) -> bool:
        """Let the core whose row has begun raise the next exception where it stands.

        False: it retired an instruction instead, and stands behind that.
        """
        here = self.position
        try:
            self._exact.raise_faults(here.faults + 1)
        except DivergenceError:
            self.position = Position(here.slice, here.instructions + 1, 0)
        else:
            self.position = Position(here.slice, here.instructions, here.faults + 1)
        self._end_if_whole()
        return self.position.instructions == here.instructions

    def knows_more(self) -> bool:
        """Return whether the run goes on behind where the machine stands."""
        return self.position < self.history.end

    def reach(self, step: int) -> None:
        """See to it that the history goes on up to a step, if the run does."""

    def trace(self, tracer: "Tracer | None") -> None:
        """Let `tracer` see what happens from now on; None: nobody."""
        self._exact.trace(tracer)

    def close(self) -> None:
        """Give everything back; the machine too must not be used afterwards."""
        if self._snapshots is not None:
            self._snapshots.close()
        self._tracking.close()
        self.machine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
