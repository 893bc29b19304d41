import pytest

from uniSMP.errors import ImageError
from uniSMP.memory.image import MultibootImage, Segment, ordered_segments


def test_segments_in_any_order_come_back_ascending() -> None:
    low, high = Segment(0x1000, b"a", 0x1000), Segment(0x2000, b"b", 1)

    assert ordered_segments([high, low]) == (low, high)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([], "loads nothing"),
        ([Segment(0x1000, b"", 0x1001), Segment(0x2000, b"", 1)], "0x2000 overlaps .* at 0x1000"),
        ([Segment(0x1000, b"", 16), Segment(0x1000, b"", 16)], "overlaps"),
        ([Segment(0xFFFFF000, b"", 0x1001)], "ends at 0x100000001, past 4 GiB"),
    ],
)
def test_segments_that_cannot_be_loaded_are_refused(segments: list[Segment], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        ordered_segments(segments)


def test_segment_up_to_4_gib_is_accepted() -> None:
    segment = Segment(0xFFFFF000, b"", 0x1000)

    assert ordered_segments([segment]) == (segment,)


def test_image_end_is_that_of_its_last_segment() -> None:
    image = MultibootImage((Segment(0, b"", 4), Segment(0x100, b"", 0x20)), 0, 0)

    assert image.end == 0x120
    assert image.symbols == {}
