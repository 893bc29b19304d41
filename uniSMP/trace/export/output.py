"""Where an export goes: a file that appears when it is whole, or a stream."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from uniSMP.errors import ConfigError


@contextmanager
def whole_file(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name when it is whole; an error leaves none.

    Args:
        path: of the file.
        force: replace a file of this name.

    Raises:
        ConfigError: it exists already, or cannot be written.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: name a file")
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already: --force replaces it")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            yield stream
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
