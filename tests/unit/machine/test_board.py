from uniSMP.arch.apic import LocalApicRegister
from uniSMP.machine.board import Board


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
