"""`unismp trace`: what can be done with a trace; one module per command."""

import click

from uniSMP.cli.lazy_group import LazyGroup

_COMMANDS = {
    "show": "uniSMP.cli.trace_show",
    "stats": "uniSMP.cli.trace_stats",
    "sql": "uniSMP.cli.trace_sql",
    "diff": "uniSMP.cli.trace_diff",
    "export": "uniSMP.cli.trace_export",
    "html": "uniSMP.cli.trace_html",
}


@click.command("trace", cls=LazyGroup, commands=_COMMANDS)
def command() -> None:
    """Look at a trace that `unismp run --trace DIR` wrote."""
