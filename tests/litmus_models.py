"""What the bodies of the guest programs `litmus_*` and `explore_ticket` do, in words of their own.

Each function returns the programs of the cores, core 0 first; their results are what the guest
leaves in eax at `explore_until`, and the cells are named after the guest's labels, with an offset
in bytes where one label stands for several. `MODELS` has them by the names of the guest programs.
"""

from collections.abc import Callable, Generator
from functools import partial

from interleavings import Change, Operation, Program, Read, Write

Body = Generator[Operation, int, int]


def _plus_one(value: int) -> int:
    return value + 1


def readers(cores: int) -> list[Program]:
    def writer() -> Body:
        yield Write("readers_word", 1)
        return 0

    def reader() -> Body:
        return (yield Read("readers_word"))

    return [writer, *[reader] * (cores - 1)]


def writers(cores: int) -> list[Program]:
    def writer(core: int) -> Body:
        yield Write("writers_word", core + 1)
        return 0

    return [partial(writer, core) for core in range(cores)]


def lastzero(cores: int) -> list[Program]:
    def look() -> Body:
        cell = cores - 1
        while (yield Read(f"lastzero_cells+{4 * cell}")):
            cell -= 1
        return cell

    def fill(core: int) -> Body:
        value = 1 + (yield Read(f"lastzero_cells+{4 * core - 4}"))
        yield Write(f"lastzero_cells+{4 * core}", value)
        return value

    return [look, *(partial(fill, core) for core in range(1, cores))]


def independent(cores: int) -> list[Program]:
    def own(core: int) -> Body:
        yield Write(f"independent_words+{64 * core}", core + 1)
        value = yield Read(f"independent_words+{64 * core}")
        yield Write(f"independent_words+{64 * core + 4}", value + 1)
        return (yield Read(f"independent_words+{64 * core + 4}"))

    return [partial(own, core) for core in range(cores)]


def store_buffering(_: int) -> list[Program]:
    def store_and_look(mine: str, other: str) -> Body:
        yield Write(mine, 1)
        return (yield Read(other))

    names = ("buffering_x", "buffering_y")
    return [partial(store_and_look, *names), partial(store_and_look, *reversed(names))]


def message_passing(_: int) -> list[Program]:
    def send() -> Body:
        yield Write("passing_data", 1)
        yield Write("passing_flag", 1)
        return 0

    def receive() -> Body:
        flag = yield Read("passing_flag")
        data = yield Read("passing_data")
        return 2 * flag + data

    return [send, receive]


def increments(cores: int) -> list[Program]:
    def increment() -> Body:
        value = 1 + (yield Read("increments_word"))
        yield Write("increments_word", value)
        return value

    return [increment] * cores


def locked(cores: int) -> list[Program]:
    def increment() -> Body:
        yield Change("locked_word", _plus_one)
        return 0

    return [increment] * cores


def spin(_: int, *, vain_looks: int = 0) -> list[Program]:
    """A round of polling that finds nothing is left out: it leaves the core as it was.

    With `vain_looks` the first so many of each core count all the same.
    """

    def poll(cell: str) -> Body:
        for _ in range(vain_looks):
            if (yield Read(cell)):
                return 1
        return (yield Read(cell, unlike=0))

    def ask() -> Body:
        yield Write("spin_data", 5)
        yield Write("spin_asked", 1)
        yield from poll("spin_answered")
        return (yield Read("spin_data"))

    def answer() -> Body:
        yield from poll("spin_asked")
        value = 1 + (yield Read("spin_data"))
        yield Write("spin_data", value)
        yield Write("spin_answered", 1)
        return value

    return [ask, answer]


def cas(cores: int, *, failure_writes: bool = True) -> list[Program]:
    """A compare and exchange that fails writes the old value back (SDM volume 2A, CMPXCHG).

    Without `failure_writes` it only reads.
    """

    def exchange(expected: int, found: int) -> int | None:
        kept = found if failure_writes else None
        return expected + 1 if found == expected else kept

    def increment() -> Body:
        expected = yield Read("cas_word")
        while (found := (yield Change("cas_word", partial(exchange, expected)))) != expected:
            expected = found
        return expected

    return [increment] * cores


def ticket(cores: int) -> list[Program]:
    """The first look at the word being served counts, and each that finds another value.

    A core that looks in vain for the first time comes back with other flags than it came with.
    """

    def count() -> Body:
        mine = yield Change("ticket_next", _plus_one)
        served = yield Read("ticket_serving")
        while served != mine:
            served = yield Read("ticket_serving", unlike=served)
        first = 1 + (yield Read("ticket_first"))
        yield Write("ticket_first", first)
        last = 1 + (yield Read("ticket_last"))
        yield Write("ticket_last", last)
        yield Change("ticket_serving", _plus_one)
        return first

    return [count] * cores


MODELS: dict[str, Callable[[int], list[Program]]] = {
    "litmus_readers": readers,
    "litmus_writers": writers,
    "litmus_lastzero": lastzero,
    "litmus_independent": independent,
    "litmus_store_buffering": store_buffering,
    "litmus_store_buffering_fenced": store_buffering,
    "litmus_message_passing": message_passing,
    "litmus_increments": increments,
    "litmus_locked": locked,
    "litmus_spin": spin,
    "litmus_cas": cas,
    "explore_ticket": ticket,
}
