"""What a TARGET on the command line stands for."""

from dataclasses import dataclass
from pathlib import Path

from uniSMP.assembler import library
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.image import Image, Line
from uniSMP.errors import ImageError
from uniSMP.machine.boot import read_image
from uniSMP.memory import multiboot

_SOURCES = frozenset({".asm", ".s", ".inc"})


@dataclass(frozen=True, slots=True)
class Target:
    """A guest, ready to be loaded.

    Attributes:
        name: as the user wrote it.
        image: with symbols and lines where it was assembled, else the bytes of a file.
    """

    name: str
    image: Image | bytes

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


def resolve(text: str) -> Target:
    """Return the guest that TARGET names: a library program, a source file, or an image file.

    Raises:
        AssemblyError: the source cannot be assembled.
        ImageError: there is no such program or file, or it cannot be read.
    """
    path = Path(text)
    if path.suffix.lower() in _SOURCES and path.is_file():
        return Target(text, assemble_file(path))
    if text in library.programs():
        return Target(text, assemble_file(library.program_path(text)))
    if not path.exists():
        raise ImageError(
            f"no program and no file is called {text}: `unismp list` shows the programs"
        )
    return Target(text, read_image(path))
