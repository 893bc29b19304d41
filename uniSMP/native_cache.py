"""Whether compiled code can be kept on disk, and whether what is kept there is still right.

numba refuses to compile a cached function when it finds no directory to write to (a read-only
installation without a home); uniSMP then compiles at each start instead.

numba compiles a function anew when its own file changes, but not when a module changes whose
constants or functions went into it. So what is kept of a room is thrown away when any module of the
room, or of `core` and `arch`, which others take from, is another than when it was compiled.
"""

import functools
import hashlib
from pathlib import Path

from numba import njit

_PACKAGE = Path(__file__).parent
_STAMP = "uniSMP.sources"


def is_cache_writable(module_file: str) -> bool:
    """Return whether numba finds a cache directory for functions of `module_file`."""
    return cache_directory(module_file) is not None


def cache_directory(module_file: str) -> Path | None:
    """Return where functions of `module_file` are kept, or None; nothing outdated is there."""
    source = compile("def probe():\n    return 0\n", module_file, "exec")
    namespace: dict[str, object] = {}
    exec(source, namespace)  # noqa: S102 - a constant; numba asks where its code object comes from
    try:
        probe = njit(cache=True)(namespace["probe"])
    except RuntimeError:
        return None
    directory = Path(probe.stats.cache_path)
    try:
        _refresh(directory, Path(module_file).parent)
    except OSError:
        return None
    return directory


@functools.cache
def _refresh(directory: Path, room: Path) -> None:
    """Throw away what was compiled from other sources."""
    stamp = directory / _STAMP
    now = _source_stamp(room)
    try:
        if stamp.read_text() == now:
            return
    except OSError:
        pass
    for index in directory.glob("*.nbi"):
        index.unlink(missing_ok=True)
    stamp.write_text(now)


@functools.cache
def _source_stamp(room: Path) -> str:
    """Return what identifies the sources of a room, of `core` and of `arch`."""
    facts = [
        f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}"
        for folder in sorted({room, _PACKAGE / "core", _PACKAGE / "arch"})
        for path in sorted(folder.glob("*.py"))
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()
