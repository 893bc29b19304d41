"""What a search can look for, checked where it is said."""

import pytest

from uniSMP import Accessed, AccessedPhysical, AtAddress, ConfigError, Delivered

TOP = (1 << 64) - 1


@pytest.mark.parametrize("kind", [Accessed, AccessedPhysical])
@pytest.mark.parametrize(
    ("start", "size", "kinds", "message"),
    [
        (0, 1, "x", "kinds of access 'x': choose r, w or rw"),
        (0, 1, "", "choose r, w or rw"),
        (0, 0, "w", "0 bytes: choose 1 or more"),
        (0, -1, "w", "-1 bytes: choose 1 or more"),
        (-1, 1, "w", "outside 64 bits"),
        (TOP, 2, "w", "2 bytes at 0xffffffffffffffff lie outside 64 bits"),
        (TOP + 1, 1, "rw", "outside 64 bits"),
    ],
)
def test_access_that_cannot_be_is_refused(
    kind: type[Accessed], start: int, size: int, kinds: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(start, size, kinds)


@pytest.mark.parametrize("linear", [-1, TOP + 1])
def test_address_that_cannot_be_is_refused(linear: int) -> None:
    with pytest.raises(ConfigError, match="outside 64 bits"):
        AtAddress(linear)


@pytest.mark.parametrize("vector", [-1, 256])
def test_vector_that_cannot_be_is_refused(vector: int) -> None:
    with pytest.raises(ConfigError, match=f"vector {vector}: choose 0 to 255"):
        Delivered(vector)


def test_conditions_are_equal_by_value() -> None:
    assert AtAddress(TOP) == AtAddress(TOP, None)
    assert Accessed(TOP, 1) == Accessed(TOP, 1, "w")
    assert Accessed(0, 8) != AccessedPhysical(0, 8)
    assert {Delivered(3), Delivered(3), Delivered(3, 0)} == {Delivered(3), Delivered(3, 0)}
