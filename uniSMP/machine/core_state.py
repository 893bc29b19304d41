"""One line for people about where a core stands."""

from uniSMP.core.core import Core


def describe(core: Core) -> str:
    """Return why a core executes nothing, or that it runs, and where."""
    place = f"at rip {core.engine.context.rip:#x}"
    if core.is_shut_down:
        return f"shut down by a triple fault {place}"
    if core.waits_for_start:
        return "waits for start-up (SIPI)"
    if core.is_halted:
        flag = 1 if core.has_interrupts_enabled else 0
        return f"halted with IF={flag} {place}"
    return f"running {place}"
