"""Entry point of `unismp`: finds the command, and turns errors of use into one line.

Exit status: 0 for a run that FINISHED, 1 for any other outcome, 2 for an error of use.
"""

import gc
import sys
from collections.abc import Sequence

import click

from uniSMP.cli.lazy_group import LazyGroup
from uniSMP.errors import InternalError, UniSMPError

_COMMANDS = {
    "run": "uniSMP.cli.run",
    "replay": "uniSMP.cli.replay",
    "verify": "uniSMP.cli.verify",
    "record": "uniSMP.cli.record",
    "list": "uniSMP.cli.programs",
    "build": "uniSMP.cli.build",
    "disasm": "uniSMP.cli.disasm",
    "trace": "uniSMP.cli.trace",
    "explore": "uniSMP.cli.explore",
    "gdb": "uniSMP.cli.gdb",
    "protocols": "uniSMP.cli.protocols",
    "doctor": "uniSMP.cli.doctor",
}
_SUMMARIES = {
    "run": "Run TARGET: the name of a guest program, an assembly source, or a...",
    "replay": "Run the recording FILE again, exactly; everything that was recorded...",
    "verify": "Replay FILE several times in separate processes and compare with...",
    "record": "Look at a recording that `unismp run --record FILE` wrote.",
    "list": "Show the guest programs that can be run by name.",
    "build": "Assemble TARGET (a program name or a source file) and write its image.",
    "disasm": "Disassemble TARGET: the name of a guest program, an assembly...",
    "trace": "Look at a trace that `unismp run --trace DIR` wrote.",
    "explore": "Run TARGET under many schedules, and look for one that breaks it.",
    "gdb": "Let gdb debug TARGET: a guest as `unismp run` takes it, or a...",
    "protocols": "Compare the protocols of the guest library: verdicts, and costs...",
    "doctor": "Check the installation: the engine, its layout, caches, and the...",
}
"""The first sentence of each command's own help, which would have to be imported."""
_ERROR_OF_USE = 2
_COLLECTION_THRESHOLD = 100_000
_INTERRUPTED = 130


@click.command(
    cls=LazyGroup,
    commands=_COMMANDS,
    summaries=_SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="uniSMP", prog_name="unismp")
def cli() -> None:
    """Run SMP kernel code on several deterministic x86-64 cores."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process."""
    # Imports and compiling make many objects that stay; looking for cycles among them takes long.
    gc.set_threshold(_COLLECTION_THRESHOLD, 50, 50)
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
