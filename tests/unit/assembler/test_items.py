"""The items between front end and encoder."""

from uniSMP.assembler.items import Mode


def test_mode_is_the_width_of_its_directive() -> None:
    assert [int(mode) for mode in Mode] == [16, 32, 64]
