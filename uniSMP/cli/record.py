"""`unismp record`: what can be done with a recording without running it."""

import click

from uniSMP.cli.lazy_group import LazyGroup


@click.command("record", cls=LazyGroup, commands={"info": "uniSMP.cli.record_info"})
def command() -> None:
    """Look at a recording that `unismp run --record FILE` wrote."""
