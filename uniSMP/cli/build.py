"""`unismp build`: assemble a guest and write the image that loaders take."""

import os
from pathlib import Path

import click

from uniSMP.cli.target import resolve
from uniSMP.errors import ImageError


@click.command("build")
@click.argument("target")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write."
)
def command(target: str, output: Path) -> None:
    """Assemble TARGET (a program name or a source file) and write its image.

    An image with a multiboot header also runs under `qemu-system-x86_64 -kernel FILE`.
    """
    built = resolve(target)
    temporary = output.with_name(output.name + ".partial")
    try:
        temporary.write_bytes(built.data)
        os.replace(temporary, output)  # noqa: PTH105 - the same as Path.replace
    except OSError as error:
        raise ImageError(f"cannot write {output}: {error.strerror}") from error
    kind = "multiboot image" if built.is_multiboot else "flat image"
    click.echo(f"{output}: {len(built.data)} bytes, {kind}")
