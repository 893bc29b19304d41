"""What one pytest run knows: where recordings go, and the one that is to be replayed."""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from uniSMP.errors import ConfigError

if TYPE_CHECKING:
    from uniSMP.replay.recording import Recording

_DEFAULT_FOLDER = Path(".unismp/recordings")
_LONGEST_NAME = 150
_PLAIN_NAME = re.compile(r"[\w.\-/:\[\]]+", re.ASCII)
_SEPARATORS = re.compile(r"[^\w.\-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecordingOfTest:
    """A recording that a failed test left.

    Attributes:
        path: its file.
        recording: what is in it.
        test: node id of the test.
        seed: of the schedule; None: it had none.
    """

    path: Path
    recording: "Recording"
    test: str
    seed: int | None


class Session:
    """One pytest run, or one worker of it.

    Args:
        config: of that run.

    Raises:
        FormatError: the file to be replayed is no recording.
        ConfigError: it is one, but of no test.

    Attributes:
        replayed: what is to be replayed, or None.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._temporary: TemporaryDirectory[str] | None = None
        self._files = 0
        name = config.getoption("--unismp-replay")
        self.replayed = None if name is None else _open(config.invocation_params.dir / name)

    def close(self) -> None:
        """Remove all recordings that were not kept."""
        if self._temporary is not None:
            self._temporary.cleanup()

    # -- which tests run -----------------------------------------------------------------------

    def seeds(self, seeds: Sequence[int] | None, test: str) -> Sequence[int] | None:
        """Return the seeds of a test function: also the one that is to be replayed."""
        wanted = self.replayed
        if seeds is None or wanted is None or wanted.seed is None or wanted.seed in seeds:
            return seeds
        return [*seeds, wanted.seed] if wanted.test.startswith(f"{test}[") else seeds

    def select(self, items: list[pytest.Item]) -> None:
        """Leave only the test that is to be replayed.

        Raises:
            UsageError: it was not collected.
        """
        if self.replayed is None:
            return
        chosen = [item for item in items if item.nodeid == self.replayed.test]
        others = [item for item in items if item.nodeid != self.replayed.test]
        if not chosen and not hasattr(self._config, "workerinput"):
            raise pytest.UsageError(
                f"--unismp-replay: {self.replayed.path} is of {self.replayed.test}, "
                "which is not among the collected tests"
            )
        self._config.hook.pytest_deselected(items=others)
        items[:] = chosen

    # -- files ---------------------------------------------------------------------------------

    def new_file(self) -> Path:
        """Return where the next test is recorded."""
        if self._temporary is None:
            self._temporary = TemporaryDirectory(prefix="unismp-")
        self._files += 1
        return Path(self._temporary.name) / f"{self._files}.rec"

    def keep(self, path: Path, test: str) -> Path:
        """Move the recording of a failed test to where it stays, and return its new path.

        Raises:
            OSError: it cannot be written there.
        """
        folder = self._folder()
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / f"{file_name(test)}.rec"
        shutil.move(path, kept)
        return kept

    def _folder(self) -> Path:
        chosen = self._config.getoption("--unismp-recordings")
        if chosen is not None:
            return self._config.invocation_params.dir / Path(chosen)
        folder = self._config.rootpath / _DEFAULT_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / ".gitignore").write_text("*\n", encoding="ascii")
        return folder

    def shown(self, path: Path) -> Path:
        """Return a path as it can be written where pytest was started."""
        start = self._config.invocation_params.dir
        return path.relative_to(start) if path.is_relative_to(start) else path

    def shown_test(self, test: str) -> str:
        """Return a node id as it can be written where pytest was started."""
        name, colons, rest = test.partition("::")
        start = self._config.invocation_params.dir
        return f"{os.path.relpath(self._config.rootpath / name, start)}{colons}{rest}"


def file_name(test: str) -> str:
    """Return a node id as a file name: no two tests share one.

    >>> file_name("tests/test_lock.py::test_count[seed7]")
    'tests--test_lock.py--test_count--seed7'
    >>> file_name("test_lock.py::test_text[a b]")
    'test_lock.py--test_text--a--b-c7d12298'
    """
    name = _SEPARATORS.sub("--", test).strip("-")
    if _PLAIN_NAME.fullmatch(test) and "--" not in test and len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"


def _open(path: Path) -> RecordingOfTest:
    from uniSMP.replay.recording import Recording  # noqa: PLC0415 - only where one is replayed

    recording = Recording.open(path)
    facts = recording.manifest.get("facts", {})
    if "test" not in facts:
        raise ConfigError(f"{path} was not recorded by a test: `unismp replay {path}` replays it")
    return RecordingOfTest(path, recording, facts["test"], facts["schedule"]["seed"])
