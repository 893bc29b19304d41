"""Expressions of directives."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.assembler.expressions import (
    Expression,
    ExpressionError,
    Name,
    Number,
    Operation,
    UndefinedNameError,
    character,
    evaluate,
    fold,
    names,
    number,
    parse,
    render,
    weight,
    wrap,
)


def value(text: str, **constants: int) -> int:
    return evaluate(parse(text), constants)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", 10), ("0x1F", 31), ("1fh", 31), ("0ffH", 255), ("0b101", 5), ("017", 15), ("0", 0),
        ("'a'", 97), ("'\\n'", 10), ("'\\''", 39), ("1+2*3", 7), ("(1+2)*3", 9), ("1<<3|1", 9),
        ("1|2+4", 7), ("6&3", 2), ("6^3", 5), ("-1", -1), ("~0", -1), ("!0", 1), ("!5", 0),
        ("+4", 4), ("- -4", 4), ("7/2", 3), ("-7/2", -3), ("-7%3", -1), ("7%-3", 1), ("1==1", 1),
        ("1!=1", 0), ("1<>2", 1), ("1<2", 1), ("2<=1", 0), ("2>1", 1), ("1>=2", 0), ("1&&0", 0),
        ("1||0", 1), ("1<<64", 0), ("-1>>70", -1), ("0xffffffffffffffff", -1), ("8-4-2", 2),
        ("x*2+.", 25), ("1<2==1", 1),
    ],
)  # fmt: skip
def test_evaluate_expression_gives_value(text: str, expected: int) -> None:
    assert evaluate(parse(text), {"x": 10, ".": 5}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a value is missing"), ("1+", "a value is missing"), ("(1", r"`\)` is missing"),
        ("1)", r"unexpected `\)`"), ("*1", r"unexpected `\*`"), ("1 2", "unexpected `2`"),
        ("@", "unexpected `@`"), ("1 ?", r"unexpected `\?`"), ("0x", "`0x` is not a number"),
        ("08", "`08` is not a number"), ("1_000", "`1_000` is not a number"),
        ("12a", "`12a` is not a number"), ("0x1ffffffffffffffff", "wider than 64 bits"),
        ("'é'", "is not ASCII"), ("'\\q'", "unknown escape"), ("-" * 100 + "1", "too many nested"),
        ("1/0", "division by zero"), ("1%0", "division by zero"), ("1<<-1", "shift by -1"),
        ("1>>-1", "shift by -1"), ("(" * 100, "too many nested"),
    ],
)  # fmt: skip
def test_evaluate_bad_expression_raises(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        value(text)


def test_evaluate_unknown_name_raises_with_the_name() -> None:
    with pytest.raises(UndefinedNameError, match="`nobody` is not a constant known here"):
        value("1+nobody")


TREES: st.SearchStrategy[Expression] = st.recursive(
    st.integers(-(1 << 63), (1 << 63) - 1).map(Number) | st.sampled_from("xyz").map(Name),
    lambda inner: (
        st.builds(Operation, st.sampled_from("-~!+"), st.tuples(inner))
        | st.builds(
            Operation,
            st.sampled_from(["+", "-", "*", "&", "|", "^", "<", "==", "&&", "||"]),
            st.tuples(inner, inner),
        )
    ),
    max_leaves=12,
)
VALUES = {"x": 1, "y": -2, "z": 1 << 40}


@given(TREES)
@settings(derandomize=True, deadline=None)
def test_fold_all_names_known_gives_the_value(tree: Expression) -> None:
    assert fold(tree, VALUES) == Number(evaluate(tree, VALUES))


@given(TREES)
@settings(derandomize=True, deadline=None)
def test_fold_some_names_known_keeps_the_value(tree: Expression) -> None:
    assert evaluate(fold(tree, {"x": 1}), VALUES) == evaluate(tree, VALUES)


@given(TREES)
@settings(derandomize=True, deadline=None)
def test_render_tree_parses_to_the_same_value(tree: Expression) -> None:
    told = {f"u_{name}": number for name, number in VALUES.items()}
    assert evaluate(parse(render(tree)), told) == evaluate(tree, VALUES)


@given(st.integers())
@settings(derandomize=True, deadline=None)
def test_wrap_any_value_is_signed_64_bit_and_congruent(number_: int) -> None:
    assert -(1 << 63) <= wrap(number_) < 1 << 63
    assert (wrap(number_) - number_) % (1 << 64) == 0


def test_names_tree_lists_from_left_to_right() -> None:
    assert names(parse("b+(a-1)*-b")) == ("b", "a", "b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", 0), ("a", 1), ("k", 0), ("a-b", 0), ("a+k*4", 1), ("-a", -1), ("a+b", 2), ("a<b", 0)],
)
def test_weight_expression_counts_addresses(text: str, expected: int) -> None:
    assert weight(parse(text), {"k": 0}) == expected


def test_weight_multiplied_address_raises() -> None:
    with pytest.raises(ExpressionError, match=r"`\*` is applied to an address"):
        weight(parse("a*2"), {})


def test_number_and_character_take_single_tokens() -> None:
    assert (number("0h"), character("'\\\\'")) == (0, 92)
