"""The machine of one test item, from its set-up to what is left of it."""

from pathlib import Path

import pytest

from uniSMP.pytest_plugin import failure
from uniSMP.pytest_plugin.machine_under_test import MachineUnderTest
from uniSMP.pytest_plugin.replay import Replay
from uniSMP.pytest_plugin.session import Session
from uniSMP.pytest_plugin.settings import Settings

_SECTION = "uniSMP"


class MachineOfItem:
    """One test item's machine.

    Args:
        item: the test.
        settings: what its markers say.
        seed: of its schedule; None is round robin.
        session: where recordings go.

    Attributes:
        machine: the machine.
    """

    def __init__(
        self, item: pytest.Item, settings: Settings, seed: int | None, session: Session
    ) -> None:
        self._item = item
        self._settings = settings
        self._session = session
        self._replay: Replay | None = None
        self._temporary: Path | None = None
        self._is_told = False
        self.machine = MachineUnderTest(settings, seed, item.path.parent)

    def prepare(self) -> None:
        """Record, or replay, from here on; load what the marker names.

        Raises:
            AssemblyError: its source cannot be assembled.
            ImageError: it is not fit for this machine.
        """
        machine, replayed = self.machine, self._session.replayed
        if machine.seed is not None:
            self._item.user_properties.append(("unismp_seed", machine.seed))
        if replayed is not None:
            self._replay = Replay(replayed.recording)
            machine.follow(self._replay)
        else:
            self._temporary = self._session.new_file()
            machine.record_to(self._temporary, self._item.nodeid)
        if self._settings.guest is not None:
            machine.load(self._settings.guest)

    def check_replay(self) -> None:
        """Let a test fail that passed by doing something else than its recording."""
        if self._replay is not None and not self._is_told:
            self._replay.check_end(self.machine, self.machine.last_result)

    def add_to(self, report: pytest.TestReport) -> None:
        """Add to the report of a failure what is known, once; after the last report end all."""
        if report.failed and not self._is_told:
            self._is_told = True
            report.sections.append((_SECTION, self._tell(report)))
        if report.when == "teardown":
            self.machine.close()
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)

    def _tell(self, report: pytest.TestReport) -> str:
        test = self._session.shown_test(self._item.nodeid)
        try:
            self.machine.end_recording()
            path = self._keep() if self.machine.has_run else None
            if path is None:
                return failure.describe(self.machine, None, test)
            entry = ("unismp_recording", str(path))
            self._item.user_properties.append(entry)
            report.user_properties.append(entry)
            shown = self._session.shown(path)
            return failure.describe(self.machine, failure.Kept(path, shown), test)
        except Exception as error:  # noqa: BLE001 - a report of one test must not end all tests
            return f"what the machine did cannot be told: {type(error).__name__}: {error}"

    def _keep(self) -> Path:
        """Return the file that shows this run again."""
        if self._session.replayed is not None:
            return self._session.replayed.path
        assert self._temporary is not None
        return self._session.keep(self._temporary, self._item.nodeid)
