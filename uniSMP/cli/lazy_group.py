"""A group of commands whose modules are imported when they are called, so that each starts fast."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group by names of modules.

    Args:
        commands: the module of each command by its name; it has a `command`.
        attributes: what click wants of a group.
    """

    def __init__(self, commands: Mapping[str, str], **attributes: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**attributes)
        self._modules = commands

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names, in the order they were given."""
        return list(self._modules)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import and return a command; None where there is none of this name."""
        if name not in self._modules:
            return None
        command: click.Command = importlib.import_module(self._modules[name]).command
        return command
