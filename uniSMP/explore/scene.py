"""Brings a machine from power-on to the scene: every core where exploration begins.

The way there is one schedule, round robin: it is not explored. A counterexample repeats it, since a
recording begins at power-on.
"""

from collections.abc import Iterable

from uniSMP.errors import ConfigError
from uniSMP.explore.executor import Executor
from uniSMP.explore.halt import Halt
from uniSMP.machine import core_state
from uniSMP.machine.machine import Machine

FROM_SYMBOL, UNTIL_SYMBOL = "explore_from", "explore_until"
"""Symbols between which a guest is explored unless others are named."""
SLICE_INSTRUCTIONS = 10_000
MOST_INSTRUCTIONS = 50_000_000
"""All cores together retire no more than so many on the way to the scene."""


def set_scene(
    machine: Machine,
    from_symbol: str | None = None,
    until_symbols: Iterable[str] | None = None,
    *,
    most_instructions: int = MOST_INSTRUCTIONS,
) -> Executor:
    """Return an executor whose scene has begun; its `boot_slices` are the way from power-on.

    Args:
        machine: loaded, not run yet, not recorded.
        from_symbol: where every core stands then; `explore_from` by default, or else, where the
            image has none, power-on.
        until_symbols: where cores rest; `explore_until` by default, if the image has it.
        most_instructions: that all cores together may retire on the way.

    Raises:
        ConfigError: a symbol is unknown, or not all cores get to `from_symbol`.
    """
    if from_symbol is None and FROM_SYMBOL in machine.symbols:
        from_symbol = FROM_SYMBOL
    if until_symbols is None:
        until_symbols = [name for name in (UNTIL_SYMBOL,) if name in machine.symbols]
    places = [_address(machine, name) for name in until_symbols]
    first = None if from_symbol is None else _address(machine, from_symbol)
    executor = Executor(machine)
    if first is not None:
        executor.rest_at([first])
        _go_to_scene(executor, str(from_symbol), most_instructions)
    executor.rest_at(places)
    executor.begin_scene()
    return executor


def _address(machine: Machine, name: str) -> int:
    """Return the linear address of a symbol."""
    if name not in machine.symbols:
        raise ConfigError(f"the image has no symbol {name}: exploration needs one that it has")
    return machine.symbols[name]


def _go_to_scene(executor: Executor, name: str, most_instructions: int) -> None:
    """Run the cores in turn until all of them rest."""
    last = executor.steps + most_instructions
    while not all(executor.rests):
        moved = [_run_in_turn(executor, core, last) for core in range(len(executor.cores))]
        if executor.ending is not None:
            raise _not_there(executor, name, f"the run ended: {executor.ending.reason}")
        if executor.steps >= last:
            raise _not_there(executor, name, f"after {most_instructions:,} instructions")
        if not any(moved) and not executor.pass_time():
            raise _not_there(executor, name, "and nobody can go on")


def _run_in_turn(executor: Executor, core: int, last: int) -> bool:
    """Let a core take what is pending and run for one slice; return whether it did anything."""
    if executor.ending is not None:
        return False
    has_taken = executor.can_take(core)
    if has_taken:
        executor.take(core)
    end = executor.cores[core].retired + SLICE_INSTRUCTIONS
    while executor.ending is None and executor.can_run(core):
        left = min(end - executor.cores[core].retired, last - executor.steps)
        if left <= 0:
            break
        if executor.run(core, left) is not Halt.WINDOW:
            return True
        executor.take(core)
        has_taken = True
    return has_taken


def _not_there(executor: Executor, name: str, why: str) -> ConfigError:
    """Return the error that says which cores are missing, and where they are."""
    missing = [core for core in executor.cores if not executor.rests[core.core_id]]
    states = "; ".join(f"core {core.core_id} {core_state.describe(core)}" for core in missing[:8])
    rest = f"; and {len(missing) - 8} more" if len(missing) > 8 else ""  # noqa: PLR2004
    return ConfigError(f"not all cores get to {name}, {why}: {states}{rest}")
