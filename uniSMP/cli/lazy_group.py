"""A group of commands whose modules are imported when they are called, so that each starts fast."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group of commands.

    Args:
        commands: module of each command, by name, in the order of the help text; the module's
            `command` is the command.
        settings: what click.Group takes.
    """

    def __init__(self, commands: Mapping[str, str], **settings: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(**settings)
        self._modules = commands

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names, in order."""
        return list(self._modules)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Return a command, or None where none has this name."""
        if name not in self._modules:
            return None
        command: click.Command = importlib.import_module(self._modules[name]).command
        return command
