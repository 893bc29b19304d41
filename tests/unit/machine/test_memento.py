"""A memento puts values back where they were, in the same objects."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from uniSMP.errors import InternalError
from uniSMP.machine.memento import Memento


@dataclass(slots=True)
class Slotted:
    number: int = 1
    items: list[int] = field(default_factory=lambda: [1, 2])


@dataclass(frozen=True, slots=True)
class Frozen:
    inner: Slotted = field(default_factory=Slotted)


class Plain:
    def __init__(self) -> None:
        self.frozen = Frozen()
        self.memory = bytearray(b"ab")
        self.table = {1: [5], 2: [6]}
        self.pair = ([7], 8)
        self.me = self


def number(plain: Plain) -> None:
    plain.frozen.inner.number = 9


def longer_list(plain: Plain) -> None:
    plain.frozen.inner.items.append(3)


def other_list(plain: Plain) -> None:
    plain.frozen.inner.items = []


def bytes_(plain: Plain) -> None:
    plain.memory[:] = b"xyz"


def key_gone(plain: Plain) -> None:
    del plain.table[1]


def key_more(plain: Plain) -> None:
    plain.table[3] = []


def inside_a_table(plain: Plain) -> None:
    plain.table[2][0] = 0


def inside_a_tuple(plain: Plain) -> None:
    plain.pair[0].clear()


def attribute_gone(plain: Plain) -> None:
    del plain.memory


def attribute_more(plain: Plain) -> None:
    plain.__dict__["extra"] = 1


@pytest.mark.parametrize(
    "change",
    [
        number,
        longer_list,
        other_list,
        bytes_,
        key_gone,
        key_more,
        inside_a_table,
        inside_a_tuple,
        attribute_gone,
        attribute_more,
    ],
)
def test_every_change_is_undone(change: Callable[[Plain], None]) -> None:
    plain = Plain()
    items = plain.frozen.inner.items
    memento = Memento(plain)
    change(plain)
    memento.restore()
    assert plain.frozen == Frozen(Slotted(1, [1, 2]))
    assert plain.frozen.inner.items is items
    assert plain.memory == b"ab"
    assert plain.table == {1: [5], 2: [6]}
    assert plain.pair == ([7], 8)
    assert sorted(vars(plain)) == ["frozen", "me", "memory", "pair", "table"]


def test_it_can_be_restored_again() -> None:
    plain = Plain()
    memento = Memento(plain)
    number(plain)
    memento.restore()
    number(plain)
    memento.restore()
    assert plain.frozen.inner.number == 1


def test_what_it_does_not_know_it_refuses() -> None:
    with pytest.raises(InternalError, match="a memento cannot keep a callable_iterator"):
        Memento([iter(Slotted, 0)])
