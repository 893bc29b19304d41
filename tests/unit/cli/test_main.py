"""The command itself."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import uniSMP
from uniSMP.cli import main


@pytest.mark.parametrize("name", main._COMMANDS)
def test_summary_is_the_first_sentence_of_the_commands_own_help(name: str) -> None:
    command = importlib.import_module(main._COMMANDS[name]).command
    assert main._SUMMARIES[name] == command.get_short_help_str(70)


def test_help_names_every_command(unismp: Callable[..., Any]) -> None:
    out = unismp("--help").out
    assert all(name in out for name in main._COMMANDS)


def test_help_imports_no_compiler_and_no_engine() -> None:
    code = "import sys, uniSMP.cli.main as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'numba', 'numpy', 'unicorn', 'capstone', 'rich'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", uniSMP.__all__)
def test_name_of_the_package_can_be_imported(name: str) -> None:
    assert getattr(uniSMP, name).__name__ == name
    assert name in dir(uniSMP)


def test_name_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = uniSMP.no_such_name
