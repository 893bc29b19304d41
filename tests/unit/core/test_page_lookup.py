"""Translation for an onlooker."""

from lab import Lab

from uniSMP.core.page_lookup import look_up


def test_mapped_address_is_found_and_nothing_changes(long_mode: Lab) -> None:
    context, words = long_mode.core.engine.context, long_mode.core.memory.words
    before = words.copy()
    assert look_up(context, words, 0x10_0234) == 0x10_0234
    assert (words == before).all()


def test_address_that_is_not_mapped_or_not_canonical_is_none(long_mode: Lab) -> None:
    context, words = long_mode.core.engine.context, long_mode.core.memory.words
    assert look_up(context, words, 1 << 46) is None
    assert look_up(context, words, 1 << 47) is None


def test_without_long_mode_only_32_bits_count(real_mode: Lab) -> None:
    context, words = real_mode.core.engine.context, real_mode.core.memory.words
    assert look_up(context, words, 0x1_0000_7C00) == 0x7C00
