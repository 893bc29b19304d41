"""Files that gdb may read from its target: those offered here, and nothing of the host.

Source: GDB manual, appendix "GDB Remote Serial Protocol", section "Host I/O Packets"; "File-I/O
Remote Protocol Extension", section "Protocol-specific Representation of Datatypes".
"""

from collections.abc import Callable, Mapping
from struct import pack

from uniSMP.gdb import words
from uniSMP.gdb.packets import PACKET_SIZE_BYTES, escape

_NOT_FOUND, _BAD_DESCRIPTOR, _READ_ONLY, _TOO_MANY = 2, 9, 30, 24
_REGULAR_READABLE = 0o100444
_WRITE_FLAGS = 0x3
_MOST_BYTES = PACKET_SIZE_BYTES // 2
_MOST_OPEN = 64
_BLOCK_BYTES = 4096


class Files:
    """Read-only files by absolute name.

    Args:
        contents: the files.

    Attributes:
        executable: name of the one with the symbols, or None.
    """

    def __init__(self, contents: Mapping[str, bytes], executable: str | None = None) -> None:
        self._contents = contents
        self.executable = executable
        self._open: dict[int, bytes] = {}
        self._operations: dict[bytes, Callable[[bytes], bytes]] = {
            b"setfs": lambda _arguments: b"F0",
            b"open": self._open_file,
            b"pread": self._read,
            b"fstat": self._status,
            b"close": self._close,
            b"readlink": lambda _arguments: _failed(_NOT_FOUND),
            b"unlink": lambda _arguments: _failed(_READ_ONLY),
            b"pwrite": lambda _arguments: _failed(_READ_ONLY),
        }

    def handle(self, text: bytes) -> bytes:
        """Return the answer to what stands behind `vFile:`; raises ValueError where it is odd."""
        name, _, arguments = text.partition(b":")
        operation = self._operations.get(name)
        return b"" if operation is None else operation(arguments)

    def close_all(self) -> None:
        """Forget what the last debugger left open."""
        self._open.clear()

    def _open_file(self, arguments: bytes) -> bytes:
        name, flags, _mode = arguments.split(b",")
        path = words.from_hex(name).decode("utf-8", "replace")
        if words.number(flags) & _WRITE_FLAGS:
            return _failed(_READ_ONLY)
        if path not in self._contents:
            return _failed(_NOT_FOUND)
        if len(self._open) >= _MOST_OPEN:
            return _failed(_TOO_MANY)
        number = next(free for free in range(_MOST_OPEN) if free not in self._open)
        self._open[number] = self._contents[path]
        return b"F%x" % number

    def _read(self, arguments: bytes) -> bytes:
        number, count, offset = map(words.number, arguments.split(b","))
        if number not in self._open:
            return _failed(_BAD_DESCRIPTOR)
        data = self._open[number][offset : offset + min(count, _MOST_BYTES)]
        return b"F%x;" % len(data) + escape(data)

    def _status(self, arguments: bytes) -> bytes:
        number = words.number(arguments)
        if number not in self._open:
            return _failed(_BAD_DESCRIPTOR)
        size = len(self._open[number])
        blocks = -(-size // 512)
        status = pack(
            ">7I3Q3I", 0, 0, _REGULAR_READABLE, 1, 0, 0, 0, size, _BLOCK_BYTES, blocks, 0, 0, 0
        )
        return b"F%x;" % len(status) + escape(status)

    def _close(self, arguments: bytes) -> bytes:
        found = self._open.pop(words.number(arguments), None)
        return _failed(_BAD_DESCRIPTOR) if found is None else b"F0"


def _failed(number: int) -> bytes:
    return b"F-1,%x" % number
