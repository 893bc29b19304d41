"""What a TARGET on the command line stands for."""

from pathlib import Path

from uniSMP.assembler import library
from uniSMP.errors import ImageError
from uniSMP.machine.target import Target


def resolve(text: str) -> Target:
    """Return the guest that TARGET names: a library program, a source file, or an image file.

    Raises:
        AssemblyError: the source cannot be assembled.
        ImageError: there is no such program or file, or it cannot be read.
    """
    if text in library.programs():
        return Target.of_program(text)
    path = Path(text)
    if not path.exists():
        raise ImageError(
            f"no program and no file is called {text}: `unismp list` shows the programs"
        )
    return Target.of_file(path, text)
