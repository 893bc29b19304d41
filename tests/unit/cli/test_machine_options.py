"""The guest, the schedule and the machine that the command line asks for."""

from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from uniSMP.cli.machine_options import (
    MachineOptions,
    machine_options,
    make_guest,
    refuse_machine_options,
)
from uniSMP.errors import ConfigError, ImageError
from uniSMP.machine.config import MachineConfig

OPTIONS = MachineOptions(
    cores=2,
    memory="32M",
    quantum=500,
    seed=None,
    ticks=3,
    append="",
    modules=(),
    boot=None,
    serial=None,
)


@machine_options
def show(*, options: MachineOptions, other: str) -> str:
    return f"{options} {other}"


@click.command
@machine_options
@click.option("--other", default="")
@click.pass_context
def refusing(context: click.Context, *, options: MachineOptions, other: str) -> None:
    refuse_machine_options(context, "no")
    click.echo(f"{options.cores} {other}")


def test_options_reach_the_command_as_one_argument() -> None:
    command = click.command(click.option("--other")(show))
    arguments = ["--cores", "2", "--memory", "32M", "--quantum", "500", "--other", "x"]
    arguments += ["--ticks-per-instruction", "3"]
    assert command.main(arguments, standalone_mode=False) == f"{OPTIONS} x"


def test_other_options_are_not_refused() -> None:
    assert CliRunner().invoke(refusing, ["--other", "x"]).output == "1 x\n"


def test_refused_option_is_named_as_it_is_written() -> None:
    with pytest.raises(ConfigError, match=r"^--module: no$"):
        refusing.main(["--module", "file"], standalone_mode=False)


def test_multiboot_guest_starts_as_a_loader_would() -> None:
    guest, schedule, config = make_guest("hello", OPTIONS)
    assert (guest.name, schedule.name) == ("hello", "round-robin")
    assert config == MachineConfig(cores=2, memory_bytes=32 << 20, ticks_per_instruction=3)


def test_seed_makes_the_schedule_random() -> None:
    _, schedule, _ = make_guest("hello", replace(OPTIONS, seed=0))
    assert schedule.name == "random"


@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match=f"^seed {seed}: choose 0 to 18446744073709551615$"):
        make_guest("hello", replace(OPTIONS, seed=seed))


def test_assembled_guest_without_header_starts_directly(tmp_path: Path) -> None:
    path = tmp_path / "guest.asm"
    path.write_text("_start: hlt\n")
    (tmp_path / "input").write_bytes(b"ok")
    options = replace(OPTIONS, serial=str(tmp_path / "input"))
    _, _, config = make_guest(str(path), options)
    assert config == MachineConfig(
        cores=2,
        memory_bytes=32 << 20,
        boot="long",
        ticks_per_instruction=3,
        serial_input=b"ok",
    )


def test_bytes_without_header_need_boot_long(tmp_path: Path) -> None:
    path = tmp_path / "flat"
    path.write_bytes(b"\xf4")
    with pytest.raises(ImageError, match="has no multiboot header; --boot long runs it"):
        make_guest(str(path), OPTIONS)
    assert make_guest(str(path), replace(OPTIONS, boot="long"))[2].boot == "long"
