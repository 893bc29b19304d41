import numpy as np

from uniSMP.trace.export.slices import OpenSlices


def told(slices: OpenSlices, *marks: tuple[int, str]) -> list[bool]:
    cores = np.array([core for core, _ in marks])
    begins = np.array([what == "begin" for _, what in marks])
    return slices.unbegun(cores, begins).tolist()


def test_end_without_a_begin_is_found_once_a_core() -> None:
    slices = OpenSlices()
    assert told(slices, (0, "end"), (0, "begin"), (1, "begin"), (0, "end")) == [
        True, False, False, False,
    ]  # fmt: skip


def test_begin_may_lie_in_an_earlier_part() -> None:
    slices = OpenSlices()
    assert told(slices, (0, "begin")) == [False]
    assert slices.cores().tolist() == [0]
    assert told(slices, (0, "end")) == [False]
    assert slices.cores().tolist() == []
