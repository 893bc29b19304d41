"""Entry point of `unismp`: finds the command, and turns errors of use into one line.

Exit status: 0 for a run that FINISHED, 1 for any other outcome, 2 for an error of use.
"""

import sys
from collections.abc import Sequence

import click

from uniSMP.cli.lazy_group import LazyGroup
from uniSMP.errors import InternalError, UniSMPError

_COMMANDS = {
    "run": "uniSMP.cli.run",
    "list": "uniSMP.cli.programs",
    "build": "uniSMP.cli.build",
    "disasm": "uniSMP.cli.disasm",
    "trace": "uniSMP.cli.trace",
    "doctor": "uniSMP.cli.doctor",
}
_ERROR_OF_USE = 2
_INTERRUPTED = 130


@click.command(
    cls=LazyGroup, commands=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="uniSMP", prog_name="unismp")
def cli() -> None:
    """Run SMP kernel code on several deterministic x86-64 cores."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process."""
    sys.exit(_call(sys.argv[1:] if arguments is None else arguments))


def _call(arguments: Sequence[str]) -> int:
    try:
        status = cli.main(args=list(arguments), prog_name="unismp", standalone_mode=False)
    except InternalError:
        raise  # a bug of uniSMP: the traceback is wanted
    except UniSMPError as error:
        return _refuse(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return _ERROR_OF_USE
    except click.ClickException as error:
        return _refuse(error.format_message())
    except click.Abort:
        return _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return status if isinstance(status, int) else 0


def _refuse(text: str) -> int:
    click.echo(f"unismp: error: {' '.join(text.split())}", err=True)
    return _ERROR_OF_USE
