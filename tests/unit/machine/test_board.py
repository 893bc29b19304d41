from uniSMP.arch.apic import LocalApicRegister
from uniSMP.devices.messages import Message
from uniSMP.machine.board import Board


class Told:
    """Is told of everything, and lets it pass."""

    def message_routed(self, message: Message, core_ids: tuple[int, ...]) -> None:
        pass

    def interrupt_accepted(self, core_id: int, vector: int, *, is_new: bool) -> None:
        pass

    def interrupt_ended(self, core_id: int, vector: int) -> None:
        pass

    def task_priority_written(self, core_id: int) -> None:
        pass

    def timer_programmed(self, core_id: int) -> None:
        pass

    def timer_fired(self, core_id: int) -> None:
        pass


def timer_due_at_10() -> Board:
    board = Board(1, 16 << 20)
    apic = board.local_apics[0]
    board.deliver(apic.write(LocalApicRegister.LVT_TIMER, 0x40, 4))
    board.deliver(apic.write(LocalApicRegister.TIMER_DIVIDE, 0xB, 4))
    board.deliver(apic.write(LocalApicRegister.TIMER_INITIAL_COUNT, 10, 4))
    board.refresh_apic(0)
    board.has_news = False
    return board


def test_state_lets_nothing_happen_that_is_due() -> None:
    board = timer_due_at_10()
    before = repr(board.local_apics[0].state)
    board.state(10)
    assert repr(board.local_apics[0].state) == before
    assert not board.has_interrupt(0)
    assert not board.has_news


def test_state_is_that_of_the_time_asked_for() -> None:
    board, later = timer_due_at_10(), timer_due_at_10()
    later.advance(10)
    assert board.state(10) == later.state(10)
    assert board.state(9) != later.state(10)


def test_going_back_undoes_what_chips_and_wires_did() -> None:
    board = timer_due_at_10()
    before, memento = board.save(), board.remember()
    board.advance(10)
    board.acknowledge(0)
    board.write_memory(0, 0xFEE0_0080, 0x20, 4, 11)
    board.write_port(0x21, 0xFF, 1, 12)
    board.write_port(0xE9, 0x41, 1, 13)
    board.go_back(memento)
    assert board.save() == before


def test_going_back_keeps_the_objects_and_whoever_observes() -> None:
    board = Board(1, 16 << 20)
    apic, told = board.local_apics[0], Told()
    memento = board.remember()
    board.observe(told)
    board.go_back(memento)
    assert board.local_apics[0] is apic
    assert apic.observer is told


def test_going_back_forgets_another_place_of_the_local_apic() -> None:
    board = Board(1, 16 << 20)
    memento = board.remember()
    board.write_apic_base(0, 0xFEC1_0900)
    board.go_back(memento)
    assert board.read_memory(0, 0xFEE0_0030, 4, 0)[0] == 0x5_0014
    assert board.read_memory(0, 0xFEC1_0030, 4, 0)[0] == 0xFFFF_FFFF
