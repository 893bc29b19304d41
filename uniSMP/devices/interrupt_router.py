"""The wires and the APIC bus between the interrupt chips of a PC.

Source: Intel SDM volume 3A, sections "Local APIC Messages and Interrupt Delivery", "Lowest
Priority Delivery Mode"; Intel MultiProcessor Specification 1.4, section "Interrupt Modes".

ISA line n is input n of the 8259A pair and pin n of the IOAPIC, but for IRQ 0 on pin 2 and the
cascade, IRQ 2, on none. Pins 16-23 are the IOAPIC's alone. The INT output of the master 8259A is
LINT0 of every core and pin 0 of the IOAPIC.

Lowest-priority messages go to the addressed, software-enabled core with the lowest PPR, the lowest
core id among equals.

Not modelled: the focus processor; bus errors, a message nobody accepts is gone.
"""

from collections import deque
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from uniSMP.arch.apic import DeliveryMode
from uniSMP.devices.io_apic import IoApic
from uniSMP.devices.local_apic import LocalApic
from uniSMP.devices.messages import (
    CoreEvent,
    CoreSignal,
    EndOfInterrupt,
    InterruptMessage,
    IrqLine,
    Message,
    Messages,
    PicOutput,
)

if TYPE_CHECKING:
    from uniSMP.devices.observer import InterruptObserver

ISA_LINES = 16
_TIMER_IRQ, _TIMER_PIN = 0, 2
_CASCADE_IRQ = 2
_PIC_PIN = 0
_LINT0 = 0


class InterruptPic(Protocol):
    """The 8259A pair as the router sees it."""

    @property
    def is_output_high(self) -> bool:
        """Level of the master's INT output."""

    def set_line(self, irq: int, *, is_high: bool) -> Messages:
        """Take a new level of input `irq`, 0-15."""

    def acknowledge(self) -> tuple[int, Messages]:
        """Run an INTA cycle; return the vector and what follows."""


@dataclass(slots=True)
class InterruptRouterState:
    """What is under way between the chips.

    Attributes:
        ext_int_cores: cores, ascending, that an ExtINT message of the IOAPIC told to acknowledge.
    """

    ext_int_cores: list[int] = field(default_factory=list)


class InterruptRouter:
    """Hands messages from chip to chip until only the machine's are left.

    Attributes:
        local_apics: by core id.
        io_apic: the IOAPIC.
        pic: the 8259A pair.
        state: what is under way; live.
        observer: who is told of every message, or None.
        is_pic_high: level of the 8259A pair's output.
    """

    def __init__(
        self,
        local_apics: Sequence[LocalApic],
        io_apic: IoApic,
        pic: InterruptPic,
        state: InterruptRouterState | None = None,
    ) -> None:
        self.local_apics = tuple(local_apics)
        self.io_apic = io_apic
        self.pic = pic
        self.state = InterruptRouterState() if state is None else deepcopy(state)
        self.observer: InterruptObserver | None = None
        self.is_pic_high = pic.is_output_high  # followed from message to message

    def reset(self) -> None:
        """Forget what is under way."""
        self.state = InterruptRouterState()

    def deliver(self, messages: Messages) -> Messages:
        """Deliver messages in order, each one's consequences after those already waiting.

        Returns:
            What is meant for the machine, in order of appearance.
        """
        for_machine: list[Message] = []
        waiting = deque(messages)
        while waiting:
            message = waiting.popleft()
            if self.observer is not None and not isinstance(message, InterruptMessage):
                self.observer.message_routed(message, ())
            match message:
                case IrqLine():
                    waiting.extend(self._route_line(message))
                case PicOutput():
                    waiting.extend(self._route_pic_output(message))
                case EndOfInterrupt():
                    waiting.extend(self.io_apic.end_of_interrupt(message.vector))
                case InterruptMessage():
                    for_machine.extend(self._route_interrupt(message))
                case _:
                    for_machine.append(message)
        return tuple(for_machine)

    def has_external_interrupt(self, core_id: int) -> bool:
        """Return whether this core can acknowledge an interrupt of the 8259A pair."""
        if not self.is_pic_high:
            return False
        is_told = core_id in self.state.ext_int_cores
        return is_told or self.local_apics[core_id].takes_external_interrupts()

    def acknowledge_external(self, core_id: int) -> tuple[int, Messages]:
        """Run an INTA cycle for a core; return the vector and the messages for the machine."""
        self._forget_ext_int(core_id)
        vector, messages = self.pic.acknowledge()
        return vector, self.deliver(messages)

    def _route_line(self, line: IrqLine) -> Messages:
        if line.irq >= ISA_LINES:
            return self.io_apic.set_line(line.irq, is_high=line.is_high)
        messages = self.pic.set_line(line.irq, is_high=line.is_high)
        if line.irq == _CASCADE_IRQ:
            return messages
        pin = _TIMER_PIN if line.irq == _TIMER_IRQ else line.irq
        return messages + self.io_apic.set_line(pin, is_high=line.is_high)

    def _route_pic_output(self, output: PicOutput) -> Messages:
        self.is_pic_high = output.is_high
        messages = self.io_apic.set_line(_PIC_PIN, is_high=output.is_high)
        for local_apic in self.local_apics:
            messages += local_apic.local_interrupt(_LINT0, is_high=output.is_high)
        return messages

    def _route_interrupt(self, message: InterruptMessage) -> Messages:
        targets = [apic for apic in self.local_apics if apic.matches(message)]
        if message.delivery_mode == DeliveryMode.LOWEST_PRIORITY:
            targets = _arbitrate(targets)
        if self.observer is not None:
            self.observer.message_routed(message, tuple(target.core_id for target in targets))
        messages: Messages = ()
        for target in targets:
            messages += self._deliver_to(target, message)
        return messages

    def _deliver_to(self, target: LocalApic, message: InterruptMessage) -> Messages:
        core_id = target.core_id
        match message.delivery_mode:
            case DeliveryMode.FIXED | DeliveryMode.LOWEST_PRIORITY:
                target.accept(message.vector, message.trigger_mode)
                return ()
            case DeliveryMode.SMI:
                return (CoreSignal(core_id, CoreEvent.SMI),)
            case DeliveryMode.NMI:
                return (CoreSignal(core_id, CoreEvent.NMI),)
            case DeliveryMode.INIT:
                return self._initialize(target) if message.is_assert else ()
            case DeliveryMode.START_UP:
                return (CoreSignal(core_id, CoreEvent.START_UP, message.vector),)
            case DeliveryMode.EXT_INT:
                self._forget_ext_int(core_id)
                self.state.ext_int_cores = sorted([*self.state.ext_int_cores, core_id])
                return ()

    def _initialize(self, target: LocalApic) -> Messages:
        target.init_reset()
        self._forget_ext_int(target.core_id)
        return (CoreSignal(target.core_id, CoreEvent.INIT),)

    def _forget_ext_int(self, core_id: int) -> None:
        if core_id in self.state.ext_int_cores:
            self.state.ext_int_cores.remove(core_id)


def _arbitrate(targets: list[LocalApic]) -> list[LocalApic]:
    """Return the one software-enabled target with the lowest priority, or nobody."""
    enabled = [target for target in targets if target.is_software_enabled()]
    return [min(enabled, key=lambda target: (target.ppr, target.core_id))] if enabled else []
