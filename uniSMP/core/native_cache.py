"""Whether compiled code can be kept on disk.

numba refuses to compile a cached function when it finds no directory to write to (a read-only
installation without a home); uniSMP then compiles at each start instead.
"""

from numba import njit


def is_cache_writable(module_file: str) -> bool:
    """Return whether numba finds a cache directory for functions of `module_file`."""
    source = compile("def probe():\n    return 0\n", module_file, "exec")
    namespace: dict[str, object] = {}
    exec(source, namespace)  # noqa: S102 - a constant; numba asks where its code object comes from
    try:
        njit(cache=True)(namespace["probe"])
    except RuntimeError:
        return False
    return True
