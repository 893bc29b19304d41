"""Memory addresses in operands as sums: base, index and scale, symbol, displacement.

Keystone 0.9.2 takes `[rax + rcx*(4)]` for `[rax]`, `[rax + rsp]` for `[rax]`, `[al]` for `[rax]`,
cuts displacements off at 32 bits, and makes absolute addresses relative to RIP, so that copied code
would miss them. Source of what can be encoded: Intel SDM volume 2, sections 2.1.5 and 2.2.1.
"""

from dataclasses import dataclass, field

from uniSMP.assembler.expressions import Expression, ExpressionError, Name, Number, Operation
from uniSMP.assembler.items import Mode
from uniSMP.assembler.registers import (
    INSTRUCTION_POINTERS,
    REGISTER_BYTES,
    STACK_POINTERS,
    is_register,
)

NO_REGISTER = "riz*1"
_SCALES = (1, 2, 4, 8)
_SIGNED_DISPLACEMENT = range(-(1 << 31), 1 << 31)
_SHORT_BASES = frozenset({"bx", "bp", "si", "di"})
_WORD_BYTES = 2
_QUADWORD_BYTES = 8


@dataclass(slots=True)
class Sum:
    """An expression taken apart: registers with scales in order, other terms, a number."""

    registers: list[tuple[str, int]] = field(default_factory=list)
    others: list[tuple[int, Expression]] = field(default_factory=list)
    constant: int = 0

    @classmethod
    def of(cls, tree: Expression) -> "Sum":
        """Return the sum that `tree` is.

        Raises:
            ExpressionError: a register is subtracted or has an impossible scale.
        """
        total = cls()
        total._add(tree, 1)
        return total

    def rest(self) -> Expression:
        """Return the sum of all that is neither register nor number."""
        sign, whole = self.others[0]
        whole = whole if sign > 0 else Operation("-", (whole,))
        for next_sign, tree in self.others[1:]:
            whole = Operation("+" if next_sign > 0 else "-", (whole, tree))
        return whole

    def _add(self, tree: Expression, sign: int) -> None:
        match tree:
            case Number(value):
                self.constant += sign * value
            case Name(name) if is_register(name):
                self._add_register(name, sign)
            case Operation("*", (Name(name), Number(scale)) | (Number(scale), Name(name))) if (
                is_register(name)
            ):
                self._add_register(name, sign * scale)
            case Operation("+", (left, right)):
                self._add(left, sign)
                self._add(right, sign)
            case Operation("-", (left, right)):
                self._add(left, sign)
                self._add(right, -sign)
            case _:
                self.others.append((sign, tree))

    def _add_register(self, name: str, scale: int) -> None:
        if scale not in _SCALES:
            raise ExpressionError(f"`{name}` times {scale} in an address")
        self.registers.append((name, scale))


def check_address(total: Sum) -> None:
    """Check that the registers and the displacement of an address can be encoded.

    Raises:
        ExpressionError: they cannot.
    """
    if not total.registers:
        return
    if len(total.registers) > 2:  # noqa: PLR2004 - base and index
        raise ExpressionError("more than two registers in an address")
    widths = [_width(name, scale, len(total.registers)) for name, scale in total.registers]
    if len(set(widths)) > 1:
        raise ExpressionError("registers of different widths in an address")
    fits = total.constant in _SIGNED_DISPLACEMENT
    if widths[0] != _QUADWORD_BYTES:
        fits = -(1 << (8 * widths[0] - 1)) <= total.constant < 1 << (8 * widths[0])
    if not fits:
        raise ExpressionError(f"displacement {total.constant:#x} does not fit")


def _width(name: str, scale: int, count: int) -> int:
    low = name.lower()
    if low in INSTRUCTION_POINTERS and count == 1 and scale == 1:
        return INSTRUCTION_POINTERS[low]
    width = REGISTER_BYTES.get(low, 0)
    is_short = width == _WORD_BYTES and low in _SHORT_BASES and scale == 1
    if not is_short and width <= _WORD_BYTES:
        raise ExpressionError(f"`{name}` cannot be part of this address")
    return width


def registers_text(total: Sum, mode: Mode) -> list[str]:
    """Return the registers as Keystone takes them; in long mode none is written `riz*1`.

    Raises:
        ExpressionError: the stack pointer is an index, or an absolute address cannot be encoded.
    """
    if not total.registers and mode is Mode.LONG:
        if total.constant not in _SIGNED_DISPLACEMENT:
            raise ExpressionError(
                f"address {total.constant:#x} is not a signed 32-bit number; "
                "load it into a register"
            )
        return [NO_REGISTER]
    ordered = list(total.registers)
    if len(ordered) == 2 and ordered[1][0].lower() in STACK_POINTERS:  # noqa: PLR2004 - both
        ordered.reverse()
    for position, (name, scale) in enumerate(ordered):
        if name.lower() in STACK_POINTERS and (position or scale > 1):
            raise ExpressionError(f"`{name}` cannot be an index")
    return [name if scale == 1 else f"{name}*{scale}" for name, scale in ordered]
