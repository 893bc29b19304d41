"""Finding included files: each is read once, a cycle is an error."""

from collections.abc import Sequence
from pathlib import Path

from uniSMP.assembler import library
from uniSMP.assembler.source import SourceLine, read_lines


class Includes:
    """The files of one assembly.

    Looks beside the including file first, then in `paths` in their order, then in the guest
    library. A file of the library is called by its path in it, another one as it was found.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = (*paths, *library.roots())
        self._seen: dict[Path, None] = {}
        self._open: list[Path] = []

    def open_file(self, path: Path) -> list[SourceLine]:
        """Return the lines of `path` and regard it as open until `close`."""
        lines = read_lines(path, library.display_name(path))
        self._enter(path)
        return lines

    def open_included(self, name: str, by: SourceLine) -> list[SourceLine] | None:
        """Return the lines of the file `name` that the line `by` includes, None the second time.

        Raises:
            AssemblyError: it is not found, not readable, or is open already.
        """
        path = self.find(name, by)
        if path.resolve() in self._open:
            raise by.error(f"{library.display_name(path)} includes itself")
        if path.resolve() in self._seen:
            return None
        lines = read_lines(path, library.display_name(path), by)
        self._enter(path)
        return lines

    def close(self) -> None:
        """End the file opened last."""
        self._open.pop()

    def find(self, name: str, by: SourceLine) -> Path:
        """Return the path of the file `name` that the line `by` asks for.

        Raises:
            AssemblyError: no place holds it.
        """
        beside = self._open[-1].parent if self._open else Path()
        places = (beside, *self._paths)
        for place in places:
            if _is_file(place / name):
                return place / name
        looked = ", ".join(str(place) for place in places)
        raise by.error(f"file `{name}` not found in {looked}")

    def _enter(self, path: Path) -> None:
        self._seen[path.resolve()] = None
        self._open.append(path.resolve())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
