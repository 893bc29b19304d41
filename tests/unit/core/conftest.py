import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `lab`, the bench these tests share

from lab import Lab


@pytest.fixture
def long_mode() -> Iterator[Lab]:
    """Yield a core in 64-bit mode at CPL 0."""
    lab = Lab("long")
    yield lab
    lab.machine.close()


@pytest.fixture
def protected_mode() -> Iterator[Lab]:
    """Yield a core in flat 32-bit protected mode at CPL 0, paging off."""
    lab = Lab("protected")
    yield lab
    lab.machine.close()


@pytest.fixture
def real_mode() -> Iterator[Lab]:
    """Yield a core in real mode."""
    lab = Lab("real")
    yield lab
    lab.machine.close()


@pytest.fixture
def bench() -> Iterator[Callable[[str], Lab]]:
    """Yield a function that makes a core in a mode by name."""
    labs: list[Lab] = []

    def make(mode: str) -> Lab:
        labs.append(Lab(mode))
        return labs[-1]

    yield make
    for lab in labs:
        lab.machine.close()
