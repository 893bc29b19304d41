import pyarrow as pa

from uniSMP.trace.export.names import Names
from uniSMP.trace.text import SymbolNames


def test_names_are_numbered_once_and_told_once() -> None:
    names = Names(SymbolNames({}))
    column = pa.chunked_array([["halt", "", None, "wake", "halt"]])
    assert names.of_column(column).tolist() == [1, 0, 0, 2, 1]
    assert names.take_new() == [(1, "halt"), (2, "wake")]
    assert names.of_column(pa.chunked_array([["wake", "eoi"]])).tolist() == [2, 3]
    assert names.take_new() == [(3, "eoi")]


def test_function_is_called_by_its_symbol_or_address() -> None:
    names = Names(SymbolNames({"main": 0x1000}))
    assert [names.of_function(0x1000), names.of_function(0x10), names.of_function(0x1000)] == [
        1,
        2,
        1,
    ]
    assert names.take_new() == [(1, "main"), (2, "0x10")]


def test_empty_column_has_no_numbers() -> None:
    assert Names(SymbolNames({})).of_column(pa.chunked_array([], pa.string())).tolist() == []
