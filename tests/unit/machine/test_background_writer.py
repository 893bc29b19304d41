"""Work done in a thread: in order, bounded, with its errors."""

import threading

import pytest

from uniSMP.machine.background_writer import BackgroundWriter


def test_work_is_done_in_order() -> None:
    done: list[int] = []
    writer = BackgroundWriter()
    for number in range(100):
        writer.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    writer.drain()
    writer.close()
    assert done == list(range(100))


def test_error_of_the_work_is_raised_where_it_was_submitted() -> None:
    writer = BackgroundWriter()
    writer.submit({}.popitem)  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        writer.drain()
    writer.close()


def test_no_more_than_a_few_are_under_way() -> None:
    gate = threading.Event()
    waiting = threading.Event()
    writer = BackgroundWriter()
    writer.submit(lambda: gate.wait() and None)
    writer.submit(lambda: None)

    def submit() -> None:
        writer.submit(waiting.set)

    third = threading.Thread(target=submit)
    third.start()
    assert not waiting.is_set()
    gate.set()
    third.join()
    writer.drain()
    writer.close()
    assert waiting.is_set()
