import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from uniSMP import Image, assemble_file
from uniSMP.assembler import library

_SKIPPED: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failure")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        _SKIPPED.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--no-skips") and _SKIPPED:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.getoption("--no-skips") and _SKIPPED:
        terminalreporter.section("skipped, which is a failure here")
        terminalreporter.write_line("\n".join(_SKIPPED))


@pytest.fixture(scope="session")
def program() -> Callable[[str], Image]:
    """Return a function that assembles a guest program, each once a session."""
    images: dict[str, Image] = {}

    def assemble_program(name: str) -> Image:
        if name not in images:
            images[name] = assemble_file(library.program_path(name))
        return images[name]

    return assemble_program


@pytest.fixture(scope="session")
def qemu() -> Path:
    """Return QEMU, or skip the test by name where it is not installed."""
    found = shutil.which("qemu-system-x86_64")
    if found is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    return Path(found)


@pytest.fixture(scope="session")
def gdb() -> Path:
    """Return gdb, or skip the test by name where it is not installed."""
    found = shutil.which("gdb")
    if found is None:
        pytest.skip("gdb is not installed")
    return Path(found)
