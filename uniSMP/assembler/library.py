"""Where the guest sources are that come with uniSMP.

In a checkout they stand in `guest/` beside the package, in an installed wheel in the package
`uniSMP._guest`.
"""

from pathlib import Path

from uniSMP.errors import AssemblyError

_PACKAGE = Path(__file__).resolve().parent.parent


def roots() -> tuple[Path, ...]:
    """Return the folder of the guest sources, or nothing if they are not installed."""
    places = (_PACKAGE.parent / "guest", _PACKAGE / "_guest")
    return tuple(place for place in places if place.is_dir())[:1]


def guest_root() -> Path:
    """Return the folder of the guest sources.

    Raises:
        AssemblyError: this installation has none.
    """
    found = roots()
    if not found:
        raise AssemblyError(f"no guest sources beside or in {_PACKAGE}; reinstall uniSMP")
    return found[0]


def programs() -> tuple[str, ...]:
    """Return the names of the programs in `programs/`, sorted."""
    return tuple(sorted(path.stem for path in (guest_root() / "programs").glob("*.asm")))


def program_path(name: str) -> Path:
    """Return the path of the program called `name`.

    Raises:
        AssemblyError: there is none; the text lists those there are.
    """
    if name not in programs():
        raise AssemblyError(f"no program `{name}`; there are: {', '.join(programs())}")
    return guest_root() / "programs" / f"{name}.asm"


def program_description(name: str) -> str:
    """Return the first comment of the program called `name`, or nothing without one.

    Raises:
        AssemblyError: there is no such program.
    """
    for line in program_path(name).read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith((";", "#", "//")):
            return text.lstrip(";#/ ").strip()
        if text:
            break
    return ""


def display_name(path: Path) -> str:
    """Return how `path` is called in messages and line tables.

    A file of the library is called by its path in it, so that images do not depend on where
    uniSMP is installed.
    """
    resolved = path.resolve()
    for root in roots():
        if resolved.is_relative_to(root.resolve()):
            return resolved.relative_to(root.resolve()).as_posix()
    return str(path)
