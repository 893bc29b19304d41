"""The words that compiled code and Python share must not overlap."""

from uniSMP.core import context as cx
from uniSMP.core import native_state as ns

OWN = [
    value
    for name, value in vars(ns).items()
    if name.isupper()
    and not name.startswith(("STOPPED_", "ENTRY_", "TABLE_", "ENDS_", "CHANGES_"))
    and name not in {"WORDS", "ANSWER_COUNT", "MODE_MASK"}
]
REASONS = [value for name, value in vars(ns).items() if name.startswith("STOPPED_")]


def test_words_are_all_different_and_inside() -> None:
    assert len(set(OWN)) == len(OWN)
    assert max(OWN) == ns.ANSWERS
    assert ns.ANSWERS + ns.ANSWER_COUNT <= ns.WORDS


def test_reasons_are_all_different() -> None:
    assert sorted(REASONS) == list(range(len(REASONS)))


def test_mode_mask_is_the_width_of_the_code() -> None:
    assert ns.MODE_MASK == cx.HF_CS32 | cx.HF_CS64
