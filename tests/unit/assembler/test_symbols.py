"""Names of symbols in the text for Keystone."""

from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.assembler.symbols import keystone_name, substitute, symbols_in

NAMES = st.from_regex(r"[A-Za-z_.][A-Za-z0-9_.$]*", fullmatch=True)


@given(NAMES)
@settings(derandomize=True, deadline=None)
def test_keystone_name_any_name_is_found_again(name: str) -> None:
    assert symbols_in(f"mov eax, [rax + {keystone_name(name)} + 5]") == (name,)


@given(NAMES, NAMES)
@settings(derandomize=True, deadline=None)
def test_keystone_name_two_names_stay_two(first: str, second: str) -> None:
    assert (keystone_name(first) == keystone_name(second)) == (first == second)


def test_substitute_known_symbol_becomes_its_value() -> None:
    text = f"mov {keystone_name('a.b')}, {keystone_name('c')}"
    assert substitute(text, {"a.b": -7}) == "mov -7, u_c"
