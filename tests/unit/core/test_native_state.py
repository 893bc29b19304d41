"""The words that compiled code and Python share must not overlap."""

from uniSMP.core import context as cx
from uniSMP.core import native_state as ns

HEAD = (
    *("LOG_COUNT", "LOG_CAPACITY", "LOG_WORDS", "LOG_LAST", "LOG_OVERFLOW", "LOG_FIRST"),
    *("LOG_OPERANDS", "LOG_MEMORY_END", "LOG_HEAD_WORDS", "LOG_RESERVE"),
)
OWN = [
    value
    for name, value in vars(ns).items()
    if name.isupper()
    and not name.startswith(
        ("STOPPED_", "ENTRY_", "TABLE_", "ENDS_", "HAS_", "CHANGES_", "READS_", "RECORD_")
    )
    and name not in HEAD
    and name not in {"WORDS", "ANSWER_COUNT", "MODE_MASK", "FLAGS_WORDS"}
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


def test_words_of_the_head_of_the_log_are_all_different_and_inside() -> None:
    places = [getattr(ns, name) for name in HEAD[:-2]]
    assert sorted(places) == list(range(ns.LOG_HEAD_WORDS))


def test_kinds_of_records_and_their_flags_are_apart() -> None:
    kinds = (ns.RECORD_BLOCK, ns.RECORD_ACCESS, ns.RECORD_SYSTEM, ns.RECORD_REGISTER)
    flags = (ns.RECORD_WRITE, ns.RECORD_DELIVERY, ns.RECORD_CROSSING, ns.RECORD_PAGE_WALK)
    assert kinds == (0, 1, 2, 3)
    assert flags == (4, 8, 16, 32)
