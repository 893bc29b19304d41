"""`unismp list`: the programs that come with uniSMP."""

import click
from rich.console import Console
from rich.table import Table

from uniSMP.assembler import library


@click.command("list")
def command() -> None:
    """Show the guest programs that can be run by name."""
    table = Table(box=None, pad_edge=False)
    table.add_column("program", style="bold", no_wrap=True)
    table.add_column("what it does")
    for name in library.programs():
        table.add_row(name, library.program_description(name))
    Console().print(table)
