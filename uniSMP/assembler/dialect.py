"""Instructions as the manuals mean them, in the words that Keystone takes.

`jmp short x` (checked to be two bytes), `jmp near x`, `jmp selector:offset`. RET, RETF, IRET,
PUSHF, POPF, PUSH of a number, CALL, LGDT, LIDT, SGDT and SIDT have the operand size of the mode, as
other assemblers give them. An immediate must fit its operand. Source: Intel SDM volume 2, the pages
of the instructions; Keystone's output.

Not modelled: AVX-512.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from uniSMP.assembler.addresses import NO_REGISTER
from uniSMP.assembler.expressions import ExpressionError
from uniSMP.assembler.items import Mode
from uniSMP.assembler.operands import Operand, Scope, parse_operand
from uniSMP.assembler.registers import is_reserved
from uniSMP.assembler.statements import split_operands

_MNEMONIC = re.compile(r"[a-z][a-z0-9]*")
_DISTANCE = re.compile(r"(short|near)\s+(?:ptr\s+)?(?=[^\s\[])", re.IGNORECASE)
_WIDE = re.compile(r"\be(?=(?:[abcd]x|[sd]i|[sb]p)\b)", re.IGNORECASE)
_FAR = re.compile(r"(?:(dword|word)\s+)?([^:\[\]]+):([^:\[\]]+)", re.IGNORECASE)
_SEGMENTED = re.compile(r"\s*[c-gs]s\s*", re.IGNORECASE)
_PREFIXES = frozenset({"lock", "rep", "repe", "repz", "repne", "repnz", "data16", "addr32"})
_TABLES = frozenset({"lgdt", "lidt", "sgdt", "sidt"})
_WITH_IMMEDIATE = frozenset(
    {"mov", "add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test", "imul"}
)
SHORT_BRANCHES = frozenset({"loop", "loope", "loopne", "loopz", "loopnz", "jrcxz", "jecxz", "jcxz"})
_FAR_BYTES = {"jmp": 0xEA, "ljmp": 0xEA, "call": 0x9A, "lcall": 0x9A}
_RETURN_BYTES = {"ret": (0xC3, 0xC2), "retf": (0xCB, 0xCA)}
_STRING_BYTES = {"movsd": 0xA5, "cmpsd": 0xA7}
_SPELLINGS = {
    ("iret", Mode.PROTECTED): "iretd",
    ("iret", Mode.LONG): "iretd",
    ("pushf", Mode.PROTECTED): "pushfd",
    ("pushf", Mode.LONG): "pushfq",
    ("popf", Mode.PROTECTED): "popfd",
    ("popf", Mode.LONG): "popfq",
    ("sysretq", Mode.LONG): "sysret",
    ("sysexitq", Mode.LONG): "sysexit",
}
_LONG_ONLY = frozenset({"cqo", "cdqe", "swapgs", "syscall", "sysretq", "sysexitq"})
_NEVER_LONG = frozenset({"into"})
_OPERAND_SIZE_PREFIX = ".byte 0x66\n"


def translate(operation: str, rest: str, scope: Scope) -> tuple[str, int | None]:
    """Return the text for Keystone, and its size in bytes if it is fixed.

    Args:
        operation: the mnemonic, or a prefix with the instruction in `rest`.
        rest: the operands.
        scope: what they may refer to.

    Raises:
        ExpressionError: the operands are malformed, or an immediate does not fit.
    """
    low = operation.lower()
    if is_reserved(low) or not _MNEMONIC.fullmatch(low):
        raise ExpressionError(f"`{operation}` is no instruction")
    if low in _PREFIXES and rest:
        inner, _, behind = rest.partition(" ")
        return f"{low}\n{translate(inner, behind.strip(), scope)[0]}", None
    if low in _LONG_ONLY and scope.mode is not Mode.LONG:
        raise ExpressionError(f"`{operation}` is for 64-bit code only")
    if low in _NEVER_LONG and scope.mode is Mode.LONG:
        raise ExpressionError(f"`{operation}` is not for 64-bit code")
    if low in _FAR_BYTES and (far := _FAR.fullmatch(rest)) and not _SEGMENTED.fullmatch(far[2]):
        return _far_branch(low, far, scope)
    if low in _TABLES and scope.mode is Mode.PROTECTED:
        operand = parse_operand(rest, replace(scope, mode=Mode.LONG))
        return f".code64\n{low} {_WIDE.sub('r', operand.text)}\n.code32", None
    size = None
    if distance := _DISTANCE.match(rest):
        size = 2 if distance.group(1).lower() == "short" else None
        rest = rest[distance.end() :]
    operands = [parse_operand(part, scope) for part in split_operands(rest)]
    check_immediate(low, operands)
    return _sized(low, operands, scope.mode) or _spelled(low, operands, scope.mode, size)


def _spelled(
    name: str, operands: Sequence[Operand], mode: Mode, size: int | None
) -> tuple[str, int | None]:
    text = ", ".join(operand.text for operand in operands)
    return f"{_SPELLINGS.get((name, mode), name)} {text}".strip(), size


def _sized(name: str, operands: Sequence[Operand], mode: Mode) -> tuple[str, int] | None:
    """Return the bytes of an instruction whose size Keystone mistakes, None for others."""
    is_real = mode is Mode.REAL
    if name in _STRING_BYTES and not operands:
        prefix = _OPERAND_SIZE_PREFIX if is_real else ""
        return f"{prefix}.byte {_STRING_BYTES[name]}", 1 + is_real
    if name in _RETURN_BYTES and is_real:
        plain, popping = _RETURN_BYTES[name]
        if not operands:
            return f".byte {plain}", 1
        return f".byte {popping}\n.short {operands[0].text}", 3
    if len(operands) == 1 and operands[0].is_target:
        if name == "push":
            return _push(operands[0], mode)
        if name == "call" and is_real:
            return f".byte 0xe8\n.short {operands[0].text}-.-2", 3
    return None


def _push(operand: Operand, mode: Mode) -> tuple[str, int]:
    value = operand.immediate
    if value is not None:
        bits = 16 if mode is Mode.REAL else 32
        highest = 1 << (bits - 1 if mode is Mode.LONG else bits)
        if not -(1 << (bits - 1)) <= value < highest:
            raise ExpressionError(f"immediate {value:#x} does not fit {bits} bits")
        if -0x80 <= value < 0x80:  # noqa: PLR2004 - a signed byte
            return f".byte 0x6a,{value & 0xFF}", 2
    width, size = (".short", 3) if mode is Mode.REAL else (".long", 5)
    return f".byte 0x68\n{width} {operand.text}", size


def _far_branch(name: str, far: re.Match[str], scope: Scope) -> tuple[str, int]:
    if scope.mode is Mode.LONG:
        raise ExpressionError("a far branch with a selector is not for 64-bit code")
    selector, offset = (parse_operand(far[part].strip(), scope) for part in (2, 3))
    if selector.immediate is None or not 0 <= selector.immediate < 1 << 16:
        raise ExpressionError(f"`{far[2].strip()}` is not a selector")
    bits = {"word": Mode.REAL, "dword": Mode.PROTECTED}.get((far[1] or "").lower(), scope.mode)
    is_short = bits is Mode.REAL
    prefix = "" if bits is scope.mode else _OPERAND_SIZE_PREFIX
    width = ".short" if is_short else ".long"
    text = f"{prefix}.byte {_FAR_BYTES[name]}\n{width} {offset.text}\n.short {selector.text}"
    return text, (5 if is_short else 7) + bool(prefix)


def check_immediate(name: str, operands: Sequence[Operand]) -> None:
    """Check that the immediate of an instruction fits its first operand.

    Raises:
        ExpressionError: it does not; Keystone would cut it off.
    """
    value = operands[-1].immediate if operands else None
    size = operands[0].bytes if operands else None
    if name not in _WITH_IMMEDIATE or value is None or size is None:
        return
    bits = 8 * size
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise ExpressionError(f"immediate {value:#x} does not fit {bits} bits")


def check_translated(text: str) -> None:
    """Check an instruction in which addresses have been replaced by numbers.

    Raises:
        ExpressionError: an immediate or a displacement does not fit.
    """
    name, _, rest = text.partition(" ")
    if not name.startswith(".") and name not in _PREFIXES:
        check_immediate(name, [_parse_again(part) for part in split_operands(rest)])


def _parse_again(part: str) -> Operand:
    mode = Mode.LONG if NO_REGISTER in part else Mode.PROTECTED
    return parse_operand(part.replace(f"{NO_REGISTER} + ", ""), Scope(mode, {}, str))
