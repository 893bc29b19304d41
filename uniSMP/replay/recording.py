"""A recording as it is read: the machine, and everything that happened to it, in order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from uniSMP.assembler.image import Image
from uniSMP.errors import FormatError
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.slice_log import Rows
from uniSMP.machine.target import Target
from uniSMP.replay import manifest as about
from uniSMP.replay.chunks import Checkpoint, Chunk, Item, RunEnd, decode
from uniSMP.replay.container import read_members

END = "end.json"
CHUNK_NAME = "chunks/{:06}.bin"


@dataclass(frozen=True)
class Recording:
    """One recorded machine.

    Attributes:
        path: where it was read.
        manifest: what it says of itself, see docs/formats.md.
        config: the machine's configuration.
        image: what was loaded.
        target: the same, by the name that the facts have for it, else by that of the file.
        rows: every row of every slice.
        items: what stands between them: (row behind it, what), in order.
        checkpoints: one for each chunk; the first is that of the machine before it ran.
        items_before: how many items came before each checkpoint.
        is_complete: whether the recorder came to its end; else it was stopped at the last
            checkpoint.
    """

    path: Path
    manifest: dict[str, Any]
    config: MachineConfig
    image: Image | bytes
    target: Target
    rows: Rows
    items: Sequence[tuple[int, Item]]
    checkpoints: Sequence[Checkpoint]
    items_before: Sequence[int]
    is_complete: bool

    @classmethod
    def open(cls, path: str | Path) -> "Recording":
        """Read a recording.

        Raises:
            FormatError: it cannot be read, is damaged, or of another version.
        """
        path = Path(path)
        members, is_whole = read_members(path)
        try:
            return cls._from(path, members, is_whole=is_whole)
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{path}: damaged: manifest.json lacks {error}") from error

    @classmethod
    def _from(cls, path: Path, members: dict[str, bytes], *, is_whole: bool) -> "Recording":
        manifest = about.read_manifest(members)
        image = about.read_image(manifest, members)
        config = about.read_config(manifest, members)
        end = members.pop(END, None)
        chunks = _read_chunks(members, config.cores)
        _check_end(end, len(chunks), is_whole=is_whole)
        return cls(
            path=path,
            manifest=manifest,
            config=config,
            image=image,
            target=Target(str(manifest["facts"].get("target", path.name)), image),
            rows=Rows.join([chunk.rows for chunk in chunks]),
            items=[item for chunk in chunks for item in chunk.items],
            checkpoints=[chunk.checkpoint for chunk in chunks],
            items_before=list(accumulate(len(chunk.items) for chunk in chunks)),
            is_complete=end is not None,
        )

    @property
    def run_ends(self) -> Sequence[RunEnd]:
        """How each run ended, in order."""
        return [item for _row, item in self.items if isinstance(item, RunEnd)]

    def _last_end(self) -> RunEnd | None:
        """Return how the last run ended, if that was recorded."""
        ends = [(row, item) for row, item in self.items if isinstance(item, RunEnd)]
        is_known = self.is_complete and ends and ends[-1][0] == len(self.rows)
        return ends[-1][1] if is_known else None

    @property
    def steps(self) -> int:
        """Instructions of all cores up to the end, or to the last checkpoint."""
        return self.checkpoints[-1].step

    @property
    def outcome(self) -> str | None:
        """How the last run ended; None: it was not recorded to its end."""
        end = self._last_end()
        return None if end is None else end.outcome

    @property
    def digest(self) -> str | None:
        """Digest when the last run ended, or None."""
        end = self._last_end()
        return None if end is None else end.digest


def _read_chunks(members: dict[str, bytes], cores: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    row = step = 0
    while (data := members.pop(CHUNK_NAME.format(len(chunks)), None)) is not None:
        chunk = decode(data, cores)
        if chunk.first_row != row:
            raise FormatError(f"damaged: chunk {len(chunks)} does not follow the one before")
        row, step = row + len(chunk.rows), step + int(chunk.rows.instructions.sum())
        if chunk.checkpoint.step != step:
            raise FormatError(
                f"damaged: chunk {len(chunks)} says step {chunk.checkpoint.step}, its rows {step}"
            )
        chunks.append(chunk)
    if members:
        raise FormatError(f"damaged: it has no place for {', '.join(sorted(members))}")
    if not chunks:
        raise FormatError("it was stopped before anything was recorded")
    return chunks


def _check_end(end: bytes | None, chunks: int, *, is_whole: bool) -> None:
    """Raise FormatError where the end does not fit what stands before."""
    if end is None:
        if is_whole:
            raise FormatError(f"damaged: it is whole and has no {END}")
        return
    try:
        counted = json.loads(end)["chunks"]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"damaged: {END} cannot be read") from error
    if counted != chunks:
        raise FormatError(f"damaged: {chunks} chunks, {counted} were written")
