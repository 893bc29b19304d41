"""The cache model against hand-made cases, and against four states kept in plain Python."""

import numpy as np
import pytest

from uniSMP.errors import ConfigError
from uniSMP.explore.cache_lines import CacheLines

Access = tuple[int, int, int, bool]
"""Core, physical address, size in bytes, whether it writes."""
READ, WRITE = False, True


class SlowCaches:
    """MESI as a table: a letter for each core and line."""

    def __init__(self, cores: int) -> None:
        self.cores = cores
        self.states: dict[tuple[int, int], str] = {}

    def state(self, core: int, line: int) -> str:
        return self.states.get((core, line), "I")

    def access(self, core: int, line: int, is_write: bool) -> tuple[int, int]:  # noqa: FBT001
        mine = self.state(core, line)
        holders = [
            other for other in range(self.cores) if other != core and self.state(other, line) != "I"
        ]
        if is_write:
            for other in holders:
                self.states[other, line] = "I"
            self.states[core, line] = "M"
            return int(mine == "I" and bool(holders)), int(mine == "S")
        if mine != "I":
            return 0, 0
        for other in holders:
            self.states[other, line] = "S"
        self.states[core, line] = "S" if holders else "E"
        return int(bool(holders)), 0

    def take(self, access: Access) -> tuple[int, int]:
        core, physical, size, is_write = access
        counts = [
            self.access(core, line, is_write)
            for line in range(physical // 64, (physical + size - 1) // 64 + 1)
        ]
        return sum(moved for moved, _ in counts), sum(raised for _, raised in counts)


def take(caches: CacheLines, accesses: list[Access]) -> list[tuple[int, int]]:
    """Return (transfers, upgrades) of each access."""
    core, physical, size, is_write = zip(*accesses, strict=True)
    traffic = caches.take(
        np.array(core, np.uint8),
        np.array(physical, np.int64),
        np.array(size, np.uint8),
        np.array(is_write, np.bool_),
    )
    return list(zip(traffic.transfers.tolist(), traffic.upgrades.tolist(), strict=True))


@pytest.mark.parametrize(
    ("accesses", "expected"),
    [
        pytest.param(
            [(0, 0, 8, READ), (0, 8, 8, WRITE), (0, 0, 8, READ)],
            [(0, 0), (0, 0), (0, 0)],
            id="a line of one core alone never moves",
        ),
        pytest.param(
            [(0, 0, 8, WRITE), (1, 0, 8, WRITE), (0, 0, 8, WRITE), (1, 0, 8, WRITE)],
            [(0, 0), (1, 0), (1, 0), (1, 0)],
            id="ping-pong moves it at each write",
        ),
        pytest.param(
            [(0, 0, 4, WRITE), (1, 60, 4, WRITE), (0, 0, 4, WRITE), (1, 64, 4, WRITE)],
            [(0, 0), (1, 0), (1, 0), (0, 0)],
            id="false sharing is sharing, the next line is not",
        ),
        pytest.param(
            [(0, 0, 8, READ), (1, 0, 8, READ), (2, 0, 8, READ), (1, 0, 8, READ), (0, 8, 8, READ)],
            [(0, 0), (1, 0), (1, 0), (0, 0), (0, 0)],
            id="readers get a copy each, once",
        ),
        pytest.param(
            [(0, 0, 8, READ), (1, 0, 8, READ), (0, 0, 8, WRITE), (1, 0, 8, READ)],
            [(0, 0), (1, 0), (0, 1), (1, 0)],
            id="a write to a shared line is an upgrade, and the reader comes again",
        ),
        pytest.param(
            [(0, 0, 8, WRITE), (1, 0, 8, READ), (1, 0, 8, WRITE), (0, 0, 8, WRITE)],
            [(0, 0), (1, 0), (0, 1), (1, 0)],
            id="read, then write: a transfer and an upgrade",
        ),
        pytest.param(
            [(0, 60, 8, WRITE), (1, 64, 1, READ), (1, 60, 8, WRITE)],
            [(0, 0), (1, 0), (1, 1)],
            id="an access across the end of a line is two",
        ),
        pytest.param(
            [(62, 4032, 64, WRITE), (0, 4095, 1, READ)],
            [(0, 0), (1, 0)],
            id="the last core and the last byte",
        ),
    ],
)
def test_accesses_bring_about_transfers_and_upgrades(
    accesses: list[Access], expected: list[tuple[int, int]]
) -> None:
    assert take(CacheLines(63, 4096), accesses) == expected


@pytest.mark.parametrize(("seed", "cores", "lines"), [(1, 1, 4), (2, 2, 1), (3, 3, 8), (4, 63, 3)])
def test_random_accesses_are_as_a_slow_model_has_them(seed: int, cores: int, lines: int) -> None:
    random = np.random.default_rng(seed)
    count = 5000
    accesses: list[Access] = list(
        zip(
            random.integers(0, cores, count).tolist(),
            random.integers(0, lines * 64 - 8, count).tolist(),
            random.integers(1, 9, count).tolist(),
            (random.random(count) < 0.3).tolist(),
            strict=True,
        )
    )
    slow = SlowCaches(cores)
    assert take(CacheLines(cores, lines * 64), accesses) == [slow.take(each) for each in accesses]


def test_state_stays_from_one_chunk_to_the_next() -> None:
    caches = CacheLines(2, 4096)
    assert take(caches, [(0, 128, 8, WRITE)]) == [(0, 0)]
    assert take(caches, [(1, 128, 8, READ), (0, 128, 8, WRITE)]) == [(1, 0), (0, 1)]


@pytest.mark.parametrize("access", [(2, 0, 8, READ), (0, 4090, 8, READ), (0, -8, 8, READ)])
def test_access_outside_of_the_machine_is_refused(access: Access) -> None:
    caches = CacheLines(2, 4096)
    with pytest.raises(ConfigError, match="outside of 2 cores or 0x1000 bytes"):
        take(caches, [access])


@pytest.mark.parametrize("cores", [0, 64])
def test_number_of_cores_is_checked(cores: int) -> None:
    with pytest.raises(ConfigError, match="takes 1 to 63"):
        CacheLines(cores, 4096)
