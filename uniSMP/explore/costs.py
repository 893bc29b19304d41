"""What the protocols of `guest/locks` cost, counted: never a time, since this is no hardware.

`lock_<protocol>` runs under round robin, slices of `QUANTUM_INSTRUCTIONS`; `cost_counter` counts.
A protocol may be broken. A run ends when the guest ends it, or when no operation has completed for
`STALL_INSTRUCTIONS`, or at `MOST_INSTRUCTIONS`; `Costs.outcome` says which.
"""

from uniSMP.assembler import library
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.image import Image
from uniSMP.errors import AssemblyError
from uniSMP.explore.cost_counter import CostCounter, Costs
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import Outcome
from uniSMP.schedule.round_robin import RoundRobin

QUANTUM_INSTRUCTIONS = 20
"""Instructions of a slice: short, so that cores run side by side almost as real ones do."""
STALL_INSTRUCTIONS = 500_000
MOST_INSTRUCTIONS = 50_000_000
_PREFIX = "lock_"


def protocols() -> tuple[str, ...]:
    """Return the names of the protocols, sorted."""
    names = library.programs()
    return tuple(name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))


def count_costs(protocol: str, cores: int) -> Costs:
    """Run a protocol's workload and count.

    Args:
        protocol: one of `protocols()`.
        cores: 1 to 32.

    Raises:
        AssemblyError: there is no such protocol.
        ConfigError: the number of cores is out of range.
    """
    if protocol not in protocols():
        raise AssemblyError(f"no protocol `{protocol}`; there are: {', '.join(protocols())}")
    image = assemble_file(library.program_path(_PREFIX + protocol))
    return count_image(image, cores)


def count_image(image: Image, cores: int) -> Costs:
    """Run a program with the memory manager's workload and count.

    Raises:
        ConfigError: the number of cores is out of range, or the program has no memory manager.
    """
    with Machine(cores=cores) as machine:
        machine.load(image)
        counter = CostCounter(image, cores, machine.config.memory_bytes)
        schedule = RoundRobin(QUANTUM_INSTRUCTIONS)
        completed = -1
        while True:
            result = machine.run(schedule, max_instructions=STALL_INSTRUCTIONS, trace=counter)
            before, completed = completed, counter.completed
            is_over = result.outcome is not Outcome.INSTRUCTION_LIMIT
            if is_over or completed == before or result.steps >= MOST_INSTRUCTIONS:
                return counter.costs(result)
