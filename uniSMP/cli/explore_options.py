"""The options of `unismp explore` that say what is explored and how, and the plan they make."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import click

from uniSMP.cli.machine_options import MachineOptions, make_guest
from uniSMP.errors import ConfigError
from uniSMP.explore.catalog import METHODS
from uniSMP.explore.job import CheckChoice, Limits, Plan
from uniSMP.explore.methods import Method
from uniSMP.machine.target import Target

FROM_LABEL, UNTIL_LABEL = "explore_from", "explore_until"
"""Labels between which a guest is explored unless others are named."""
_EXCLUSION = "exclusion"
_SEED_LIMIT = 1 << 64


@dataclass(frozen=True, slots=True)
class ExploreOptions:
    """What the command line says of the exploration, as it was written; None: not given.

    Attributes:
        strategy: its name.
        preemptions: a parameter of some strategies.
        depth: another.
        seed: 0 to 2^64 - 1.
        checks: NAME or NAME:KEY=VALUE,KEY=VALUE.
        exclusive: regions ENTER..EXIT.
        from_symbol: where executions begin.
        until_symbol: where cores rest.
        max_instructions: of one execution.
    """

    strategy: str
    preemptions: int | None
    depth: int | None
    seed: int
    checks: tuple[str, ...]
    exclusive: tuple[str, ...]
    from_symbol: str | None
    until_symbol: str | None
    max_instructions: int


_OPTIONS = (
    click.option(
        "--strategy",
        required=True,
        metavar="NAME",
        help="How schedules are chosen: dpor, bounded, pct or random.",
    ),
    click.option("--preemptions", type=int, help="For a bounded strategy: at most so many."),
    click.option("--depth", type=int, help="For PCT: depth of the bugs that it aims at."),
    click.option("--seed", default=0, show_default=True, help="What is random comes from it."),
    click.option(
        "--check",
        "checks",
        multiple=True,
        metavar="NAME[:KEY=VALUE,...]",
        help="What every execution is examined for; repeatable. README.md names the checks.",
    ),
    click.option(
        "--exclusive",
        multiple=True,
        metavar="ENTER..EXIT",
        help="Two cores must not be between these symbols at once; repeatable.",
    ),
    click.option(
        "--from",
        "from_symbol",
        metavar="SYMBOL",
        help=f"Executions begin when all cores are there.  [default: {FROM_LABEL}, if any]",
    ),
    click.option(
        "--until",
        "until_symbol",
        metavar="SYMBOL",
        help=f"A core that gets there is at rest.  [default: {UNTIL_LABEL}, if any]",
    ),
    click.option(
        "--max-instructions",
        default=Limits().instructions,
        show_default=True,
        help="Give an execution up after so many instructions of all cores.",
    ),
)
_NAMES = tuple(each.name for each in fields(ExploreOptions))


def explore_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which is given all of them as one argument `exploring`."""

    @functools.wraps(command)
    def collected(*arguments: Any, **values: Any) -> Any:  # noqa: ANN401 - the command's own
        exploring = ExploreOptions(**{name: values.pop(name) for name in _NAMES})
        return command(*arguments, exploring=exploring, **values)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected


def find_method(name: str) -> Method:
    """Return the strategy of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in METHODS:
        names = ", ".join(sorted(METHODS)) or "there are none"
        raise ConfigError(f"no strategy is called {name}: choose one of {names}")
    return METHODS[name]


def make_plan(target: str, board: MachineOptions, options: ExploreOptions) -> Plan:
    """Return the plan that the command line asks for.

    Raises:
        ConfigError: an option is out of range, or does not fit the strategy or the guest.
        AssemblyError: the source cannot be assembled.
        ImageError: there is no such guest, or a file cannot be read.
    """
    parameters = _parameters(options)
    if not 0 <= options.seed < _SEED_LIMIT:
        raise ConfigError(f"seed {options.seed}: choose 0 to {_SEED_LIMIT - 1}")
    checks = [_parse_check(text) for text in options.checks]
    if options.exclusive:
        checks.append(CheckChoice(_EXCLUSION, {"regions": list(options.exclusive)}))
    if options.max_instructions < 1:
        raise ConfigError(f"--max-instructions {options.max_instructions}: choose 1 or more")
    guest, _, config = make_guest(target, board)
    return Plan(
        target=guest,
        config=config,
        strategy=options.strategy,
        parameters=parameters,
        seed=options.seed,
        from_symbol=_symbol(guest, options.from_symbol, "--from", FROM_LABEL),
        until_symbol=_symbol(guest, options.until_symbol, "--until", UNTIL_LABEL),
        checks=tuple(checks),
        limits=Limits(
            instructions=options.max_instructions,
            executions=find_method(options.strategy).job_executions,
        ),
    )


def _parameters(options: ExploreOptions) -> dict[str, int]:
    """Return the parameters that were given, all of which the strategy takes."""
    method = find_method(options.strategy)
    given = {"preemptions": options.preemptions, "depth": options.depth}
    parameters = {name: value for name, value in given.items() if value is not None}
    for name, value in parameters.items():
        if name not in method.parameters:
            raise ConfigError(f"--{name}: the strategy {options.strategy} has no such parameter")
        if value < 0:
            raise ConfigError(f"--{name} {value}: choose 0 or more")
    return parameters


def _parse_check(text: str) -> CheckChoice:
    """Return the check that NAME or NAME:KEY=VALUE,... stands for."""
    name, _, rest = text.partition(":")
    parameters = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise ConfigError(f"--check {text}: write NAME or NAME:KEY=VALUE,KEY=VALUE")
        parameters[key] = value
    if not name:
        raise ConfigError(f"--check {text}: the name of the check is missing")
    return CheckChoice(name, parameters)


def _symbol(guest: Target, given: str | None, option: str, usual: str) -> str | None:
    labels = guest.labels
    if given is None:
        return usual if usual in labels else None
    if given not in labels:
        raise ConfigError(f"{option} {given}: {guest.name} has no such label")
    return given
