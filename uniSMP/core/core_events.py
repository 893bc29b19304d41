"""One core's exceptions and interrupts: counted, told of, delivered.

Source: Intel SDM volume 3A, chapter "Interrupt and Exception Handling".
"""

from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.core_parts import CoreParts
from uniSMP.core.delivery import Event, Kind, exception
from uniSMP.core.stop import Stop

_PF = int(Vector.PF)
_EXCEPTIONS_IN_A_ROW = 10_000


class CoreEvents(CoreParts):
    """The part of `Core` that takes events."""

    def deliver_interrupt(self, vector: int) -> Stop | None:
        """Enter the handler of an external interrupt that was just acknowledged."""
        self.is_halted = False
        self._faults = 0
        return self._deliver(Event(vector, Kind.EXTERNAL), counts=False)

    def deliver_nmi(self) -> Stop | None:
        """Enter the NMI handler and block further NMIs until IRET."""
        self.is_halted = False
        self._faults = 0
        self._context.block_nmi()
        return self._deliver(Event(Vector.NMI, Kind.EXTERNAL), counts=False)

    def _deliver_fault(self, fault: Fault) -> Stop | None:
        if fault.cr2 is not None:
            self._context.set_quad(cx.CR2, fault.cr2)
        code = fault.error_code or 0
        return self._raise(exception(fault.vector, code, is_protected=self._context.is_protected))

    def _raise(self, event: Event) -> Stop | None:
        """Deliver the exception of an instruction that did not retire."""
        self._faults = self.faults_in_place + 1
        self._faults_at = self.retired
        return self._deliver(event)

    def _tell_of(self, event: Event) -> None:
        """Tell the observer of an exception or a software interrupt before it is delivered."""
        assert self.observer is not None
        if event.kind is Kind.SOFTWARE:
            self.observer.software_interrupt(self.core_id, event.vector)
            return
        cr2 = self._context.quad(cx.CR2) if event.vector == _PF else None
        self.observer.exception(self.core_id, event.vector, event.error_code, cr2)

    def _deliver(self, event: Event, *, counts: bool = True) -> Stop | None:
        """Deliver an event; SHUTDOWN or STUCK where the core does not go on."""
        if counts:
            self._raised[event.vector] += 1
        words = self._words
        if words[ns.RETIRED] != words[ns.ROW_BEGAN]:
            words[ns.IN_A_ROW] = 0
            words[ns.ROW_BEGAN] = words[ns.RETIRED]
        words[ns.IN_A_ROW] += 1
        if words[ns.IN_A_ROW] > _EXCEPTIONS_IN_A_ROW:
            return Stop.STUCK
        if self.observer is not None and counts:
            self._tell_of(event)
        delivered = self._delivery.deliver(event)
        self._forget_block()
        self._log_system_changes()
        if not delivered:
            self.is_shut_down = True
            return Stop.SHUTDOWN
        return Stop.ATTENTION if self._platform.has_attention else None
