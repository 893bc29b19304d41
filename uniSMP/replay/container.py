"""The file of a recording: a ZIP archive whose members are written one after the other.

It is a valid archive once it is complete. Before that, and after a kill, it is the same without the
directory at its end: the members that were written whole are found by their own headers.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 "Local file header" and 4.3.16 "End of central
directory record". Format and versions: docs/formats.md.
"""

import io
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from uniSMP.errors import ConfigError, FormatError

_TIME = (1980, 1, 1, 0, 0, 0)
_LEVEL = 6
_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_MAGIC = b"PK\3\4"
_DIRECTORY_MAGIC = b"PK\1\2"
_END_MAGIC, _END_BYTES = b"PK\5\6", 22
_DEFLATED = 8
_MOST_NAME_BYTES = 100
MOST_BYTES = 1 << 31
"""Most bytes a member may unpack to."""


class ContainerWriter:
    """Writes members so that whatever is written whole survives the end of the process.

    Args:
        path: the file; it appears, or is replaced, when `begin` has written the first members. A
            symbolic link stays, and what it leads to is written.

    Raises:
        ConfigError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file():
            raise ConfigError(f"cannot write {path}: it is no regular file")
        self._path = path = Path(os.path.realpath(path))
        self._archived = io.BytesIO()
        self._archive = zipfile.ZipFile(self._archived, "w", zipfile.ZIP_DEFLATED)
        self._written = 0
        try:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(handle, 0o666 & ~umask)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from error
        self._temporary: Path | None = Path(name)
        self._file: BinaryIO = os.fdopen(handle, "wb", buffering=0)

    def add(self, name: str, data: bytes) -> None:
        """Write a member; it takes at most what `data` takes."""
        entry = zipfile.ZipInfo(name, _TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        self._archive.writestr(entry, data, compresslevel=_LEVEL)
        self._flush(self._archive.start_dir)

    def _flush(self, end: int) -> None:
        with self._archived.getbuffer() as written:
            rest = written[self._written : end]
            try:
                while len(rest):
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                raise ConfigError(f"cannot write {self._path}: {error.strerror}") from error
        self._written = end

    def begin(self) -> None:
        """Let the file appear under its name."""
        assert self._temporary is not None
        try:
            self._temporary.replace(self._path)
        except OSError as error:
            raise ConfigError(f"cannot write {self._path}: {error.strerror}") from error
        self._temporary = None

    def finish(self) -> None:
        """Write the directory: the file is complete."""
        self._archive.close()
        self._flush(len(self._archived.getbuffer()))
        self.close()

    def close(self) -> None:
        """Leave the file as it is."""
        self._file.close()
        self._archive.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
            self._temporary = None


def read_members(path: Path) -> tuple[dict[str, bytes], bool]:
    """Return the members of a file by name, and whether it is complete.

    Raises:
        FormatError: it cannot be read, is no such file, or is damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    if data[:4] != _LOCAL_MAGIC:
        raise FormatError(f"{path} is no recording: it does not begin as a ZIP archive")
    try:
        return _scan(data)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error


def _scan(data: bytes) -> tuple[dict[str, bytes], bool]:
    """Read members by their own headers, then check them against the directory behind them."""
    members: dict[str, bytes] = {}
    at = _read_into(members, data)
    if at < 0 or any(magic.startswith(data[at:]) for magic in (_LOCAL_MAGIC, _DIRECTORY_MAGIC)):
        return members, False
    if data[at : at + 4] != _DIRECTORY_MAGIC:
        raise FormatError(f"damaged: no member begins at byte {at}")
    end = data.rfind(_END_MAGIC, at)
    if end < 0 or end + _END_BYTES > len(data):
        return members, False  # cut inside the directory
    _check_directory(data, members)
    return members, True


def _read_into(members: dict[str, bytes], data: bytes) -> int:
    """Read members; return the place behind them, or -1 where one is cut off."""
    at = 0
    while data[at : at + 4] == _LOCAL_MAGIC:
        end = at + _LOCAL.size
        if end > len(data):
            return -1
        fields = _LOCAL.unpack_from(data, at)
        _, _, flags, method, _, _, checksum, packed, size, name_bytes, extra_bytes = fields
        start = end + name_bytes + extra_bytes
        if start + packed > len(data):
            if _DIRECTORY_MAGIC in data[at:]:
                raise FormatError(f"damaged: the member at byte {at} has a wrong size")
            return -1
        name = data[end : end + name_bytes].decode("ascii", "backslashreplace")
        if name_bytes > _MOST_NAME_BYTES or not name.isprintable():
            raise FormatError(f"damaged: the header of the member at byte {at} is not valid")
        if flags or method != _DEFLATED or extra_bytes or name in members or size > MOST_BYTES:
            raise FormatError(f"damaged: the header of member {name} at byte {at} is not valid")
        members[name] = _unpack(data[start : start + packed], size, checksum, name)
        at = start + packed
    return at


def _unpack(packed: bytes, size: int, checksum: int, name: str) -> bytes:
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = machine.decompress(packed, size + 1)
    except zlib.error as error:
        raise FormatError(f"damaged: member {name} cannot be unpacked ({error})") from error
    if len(data) != size or not machine.eof or machine.unused_data or machine.unconsumed_tail:
        raise FormatError(f"damaged: member {name} has not the size that its header says")
    if zlib.crc32(data) != checksum:
        raise FormatError(f"damaged: the checksum of member {name} does not match")
    return data


def _check_directory(data: bytes, members: Mapping[str, bytes]) -> None:
    """Compare the directory with the members that were found without it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = {entry.filename: (entry.file_size, entry.CRC) for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise FormatError(f"damaged: the directory cannot be read ({error})") from error
    found = {name: (len(content), zlib.crc32(content)) for name, content in members.items()}
    if listed != found:
        raise FormatError("damaged: the directory does not name the members that are there")
