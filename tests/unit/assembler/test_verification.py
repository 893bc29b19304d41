"""What came out is checked against what was asked for."""

import pytest

from uniSMP.assembler.encoder import Encoded
from uniSMP.assembler.expressions import Name, Number, parse
from uniSMP.assembler.items import Data, Item, Piece
from uniSMP.assembler.source import SourceLine
from uniSMP.assembler.verification import finished, value_of
from uniSMP.errors import AssemblyError

HERE = SourceLine("f", 4, "text")


def verified(item: Item, data: bytes) -> bytes:
    encoded = Encoded(data, (0x1000, 0x1000 + len(data)))
    return finished([item], encoded, {}, {"a": 0x1000, "k": 300}, {"k": 300}).data


def test_numbers_of_data_are_put_in() -> None:
    assert verified(Data(HERE, (Number(-2), Name("a")), 2), bytes(4)) == b"\xfe\xff\x00\x10"


@pytest.mark.parametrize(
    ("item", "data", "message"),
    [
        (Piece(HERE, "nop", None, 1), b"", "Keystone takes this for nothing"),
        (Piece(HERE, "nop", 2, 1), b"\x90", "takes 1 bytes instead of 2"),
        (Piece(HERE, "mov al, u_k", None, 1), b"\xb0\x2c", "immediate 0x12c does not fit 8 bits"),
        (Piece(HERE, "loop u_a", None, 2), b"\xe2\x00", "the target is further away than 128"),
        (Data(HERE, (Name("k"),), 1), b"\0", "value 0x12c does not fit 8 bits"),
        (Data(HERE, (Name("b"),), 1), b"\0", "undefined symbol `b`"),
    ],
)
def test_item_that_gave_something_else_raises(item: Item, data: bytes, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^f:4: {message}"):
        verified(item, data)


def test_value_of_expression_without_value_raises() -> None:
    with pytest.raises(AssemblyError, match=r"^f:4: division by zero: text$"):
        value_of(Piece(HERE, "", None, 0), parse("1/0"), {})
