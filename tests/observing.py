"""Runs kernels of tests and has checks look at what they did."""

from collections.abc import Sequence

from kernel_preamble import PREAMBLE

from uniSMP import Machine, RoundRobin, assemble
from uniSMP.checks.history import Check, Violation
from uniSMP.machine.observation import observe
from uniSMP.schedule.policy import Schedule


def judge(
    source: str,
    check: Check,
    *,
    cores: int = 1,
    schedule: Schedule | None = None,
    most: int = 20_000,
) -> list[Violation]:
    """Run a kernel (boot "long", core id in edi) after the preamble; return what is wrong."""
    with Machine(cores=cores, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(assemble(PREAMBLE + source))
        _, history = observe(machine, check.needs, schedule or RoundRobin(7), max_instructions=most)
    return check.examine(history)


def summaries(violations: Sequence[Violation]) -> list[str]:
    return [each.summary for each in violations]
