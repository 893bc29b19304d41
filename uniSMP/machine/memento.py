"""Keeps how a graph of Python objects stands, and puts it back in place: the objects stay the same.

Cheaper than pickling where only plain values change: what holds others (attributes, lists,
dictionaries) is noted once, and gets its content back at each restore; values that cannot change
are kept by reference.
"""

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from uniSMP.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = (int, float, str, bytes, type(None), type, Enum)
_KEPT = (tuple, frozenset)


class Memento:
    """How everything stands that can be reached from one object.

    Args:
        root: made of objects with `__dict__` or `__slots__`, lists, dictionaries, byte arrays,
            tuples and plain values.

    Raises:
        InternalError: there is something else in it.
    """

    def __init__(self, root: object) -> None:
        self._seen: set[int] = set()
        self._mutable: list[object] = []
        self._namespaces: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self._sequences: list[tuple[Any, Any]] = []
        self._slots: list[tuple[Callable[[Any], None], Any]] = []
        self._walk(root)

    def restore(self) -> None:
        """Give everything the content that it had."""
        for namespace, content in self._namespaces:
            if namespace.keys() != content.keys():
                namespace.clear()
            namespace.update(content)
        for sequence, items in self._sequences:
            sequence[:] = items
        for write, value in self._slots:
            write(value)

    def _walk(self, root: object) -> None:
        waiting = [root]
        while waiting:
            item = waiting.pop()
            if isinstance(item, _PLAIN) or id(item) in self._seen:
                continue
            self._seen.add(id(item))
            self._mutable.append(item)  # an id is one object's as long as that object is there
            waiting += self._parts(item)

    def _parts(self, item: object) -> list[object]:
        """Note what an object holds, and return it."""
        if isinstance(item, _KEPT):
            return list(item)
        if isinstance(item, dict):
            self._namespaces.append((item, dict(item)))
            return [*item, *item.values()]
        if isinstance(item, list | bytearray):
            self._sequences.append((item, item[:]))
            return list(item)
        return self._attributes(item)

    def _attributes(self, item: object) -> list[object]:
        parts: list[object] = []
        kind = type(item)
        is_frozen = getattr(getattr(kind, "__dataclass_params__", None), "frozen", False)
        slots = [name for base in kind.__mro__ for name in base.__dict__.get("__slots__", ())]
        for name in slots:
            parts.append(getattr(item, name))
            if not is_frozen:
                write = partial(getattr(kind, name).__set__, item)
                self._slots.append((write, parts[-1]))
        if hasattr(item, "__dict__"):
            self._namespaces.append((item.__dict__, dict(item.__dict__)))
            parts += item.__dict__.values()
        elif not slots:
            raise InternalError(f"a memento cannot keep a {kind.__name__}")
        return parts
