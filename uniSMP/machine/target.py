"""A guest: what was assembled or read from a file, with what is known of it."""

from dataclasses import dataclass
from pathlib import Path

from uniSMP.assembler import library
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.image import Image, Line
from uniSMP.machine.boot import read_image
from uniSMP.memory import multiboot

_SOURCES = frozenset({".asm", ".s", ".inc"})


@dataclass(frozen=True, slots=True)
class Target:
    """A guest, ready to be loaded.

    Attributes:
        name: as the user wrote it, or what it is called.
        image: with symbols and lines where it was assembled, else the bytes of a file.
    """

    name: str
    image: Image | bytes

    @classmethod
    def of_program(cls, name: str) -> "Target":
        """Return a guest program of the library.

        Raises:
            AssemblyError: there is no such program.
        """
        return cls(name, assemble_file(library.program_path(name)))

    @classmethod
    def of_file(cls, path: Path, name: str | None = None) -> "Target":
        """Return what a file holds, assembled where it is a source; `name` is the path by default.

        Raises:
            AssemblyError: the source cannot be assembled.
            ImageError: the file cannot be read.
        """
        is_source = path.suffix.lower() in _SOURCES
        return cls(name or str(path), assemble_file(path) if is_source else read_image(path))

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self.image.data if isinstance(self.image, Image) else self.image

    @property
    def labels(self) -> dict[str, int]:
        """Addresses of code and data by name, without plain constants."""
        if isinstance(self.image, Image):
            return {name: self.image.symbols[name] for name in self.image.labels}
        return dict(multiboot.parse(self.image).symbols) if self.is_multiboot else {}

    @property
    def is_multiboot(self) -> bool:
        """Whether the bytes have a multiboot header."""
        return multiboot.is_multiboot(self.data)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The source line of each stretch of addresses, as far as it is known."""
        return self.image.lines if isinstance(self.image, Image) else ()

    def source_line(self, address: int) -> str:
        """Return `file:line` of an address, or nothing."""
        line = self.image.line_at(address) if isinstance(self.image, Image) else None
        return f"{line.file}:{line.line}" if line else ""
