"""The pytest plugin: the fixture `machine`, many schedules of one test, and what a failure leaves.

Active in every pytest run of whoever has uniSMP installed: nothing heavy is imported before a test
asks for the fixture.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from uniSMP.errors import ConfigError, UniSMPError
from uniSMP.pytest_plugin import settings as marker_settings
from uniSMP.pytest_plugin.session import Session

if TYPE_CHECKING:
    from uniSMP.pytest_plugin.item import MachineOfItem
    from uniSMP.pytest_plugin.machine_under_test import MachineUnderTest

_MARKER = "unismp"
_SEED = "unismp_seed"
_SESSION = pytest.StashKey[Session]()
_OF_ITEM: "pytest.StashKey[MachineOfItem]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("uniSMP")
    group.addoption(
        "--unismp-recordings",
        metavar="DIR",
        help="where recordings of failed tests go (default: .unismp/recordings)",
    )
    group.addoption(
        "--unismp-replay",
        metavar="FILE",
        help="run only the test of this recording, as it was recorded",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker, and read the recording that is to be replayed."""
    config.addinivalue_line("markers", marker_settings.HELP)
    try:
        config.stash[_SESSION] = Session(config)
    except UniSMPError as error:
        raise pytest.UsageError(f"--unismp-replay: {error}") from error


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what was recorded of tests that passed."""
    if _SESSION in config.stash:
        config.stash[_SESSION].close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make an item of each seed."""
    markers = list(metafunc.definition.iter_markers(_MARKER))
    if not markers:
        return
    try:
        settings = marker_settings.read(markers)
    except ConfigError as error:
        pytest.fail(f"{metafunc.definition.nodeid}: @pytest.mark.unismp: {error}", pytrace=False)
    if _SEED in metafunc.fixturenames:
        seeds = metafunc.config.stash[_SESSION].seeds(settings.seeds, metafunc.definition.nodeid)
        if seeds is not None:
            metafunc.parametrize(_SEED, seeds, ids=[f"seed{seed}" for seed in seeds])
    elif any(marker.name == _MARKER for marker in metafunc.definition.own_markers):
        message = f"{metafunc.definition.nodeid}: @pytest.mark.unismp: no fixture `machine` is used"
        pytest.fail(message, pytrace=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep only the test that is to be replayed."""
    config.stash[_SESSION].select(items)


@pytest.fixture
def unismp_seed() -> int | None:
    """Seed of this item's schedule; None without `schedules`."""
    return None


@pytest.fixture
def machine(
    request: pytest.FixtureRequest, unismp_seed: int | None
) -> "Iterator[MachineUnderTest]":
    """A machine as `@pytest.mark.unismp(...)` says, that nothing runs on yet.

    It is a `uniSMP.Machine`; its `load` also takes assembly text and files, its `run` follows the
    schedule of this item's seed. What it does is recorded, and kept when the test fails.
    """
    from uniSMP.pytest_plugin.item import MachineOfItem  # noqa: PLC0415 - imports the engine

    node: pytest.Item = request.node
    settings = marker_settings.read(node.iter_markers(_MARKER))
    mine = MachineOfItem(node, settings, unismp_seed, node.config.stash[_SESSION])
    node.stash[_OF_ITEM] = mine
    mine.prepare()
    yield mine.machine
    mine.check_replay()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the recording of a test that failed, and add what its machine did to the report."""
    report = yield
    if _OF_ITEM in item.stash:
        item.stash[_OF_ITEM].add_to(report)
    return report
