"""What the guest itself found wrong: values other than 0 written to the debug-exit ports."""

from uniSMP.checks.history import Event, History, Needs, Violation
from uniSMP.checks.places import Places

NAME = "assertions"
_PORTS = range(0xF4, 0xF8)
_MASK64 = (1 << 64) - 1


class Assertions:
    """Failed assertions of the guest.

    Attributes:
        name: "assertions".
        needs: events.
    """

    def __init__(self) -> None:
        self.name = NAME
        self.needs = Needs.EVENTS

    def examine(self, history: History) -> list[Violation]:
        """Return a violation for each value other than 0, the earliest first."""
        found: list[Violation] = []
        written: Event | None = None
        places = Places(history.symbols)
        for event in history.events:
            if event.kind == "port_write" and event.address in _PORTS:
                written = event
            elif event.kind == "exit" and event.value > 0:
                found.append(_violation(event, written, places))
        return found


def _violation(event: Event, written: Event | None, places: Places) -> Violation:
    core, where, rip = -1, "", -1
    if written is not None:
        core, rip = written.core, written.rip & _MASK64
        where = f": core {core} at {places.show(rip)}"
    return Violation(
        NAME,
        f"the guest reports failure {event.value:#x}{where}",
        event.step,
        core,
        (NAME, event.value, rip),
        (rip,) if written is not None else (),
    )
