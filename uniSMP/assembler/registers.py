"""Names of the registers an operand may hold."""


def _general_registers() -> dict[str, int]:
    sizes: dict[str, int] = {}
    for letter in ("a", "b", "c", "d"):
        sizes |= {f"{letter}l": 1, f"{letter}h": 1, f"{letter}x": 2}
        sizes |= {f"e{letter}x": 4, f"r{letter}x": 8}
    for pointer in ("si", "di", "sp", "bp"):
        sizes |= {f"{pointer}l": 1, pointer: 2, f"e{pointer}": 4, f"r{pointer}": 8}
    for index in range(8, 16):
        sizes |= {f"r{index}b": 1, f"r{index}w": 2, f"r{index}d": 4, f"r{index}": 8}
    return sizes


REGISTER_BYTES = _general_registers()
SEGMENTS = frozenset({"cs", "ds", "es", "fs", "gs", "ss"})
INSTRUCTION_POINTERS = {"eip": 4, "rip": 8}
STACK_POINTERS = frozenset({"esp", "rsp"})
SIZES = {"byte": 1, "word": 2, "dword": 4, "qword": 8}
_OTHERS = frozenset(
    (
        *("ip", "st"),
        *(f"{bank}{index}" for bank in ("cr", "dr", "xmm", "ymm") for index in range(16)),
        *(f"mm{index}" for index in range(8)),
    )
)
_REGISTERS = _OTHERS | SEGMENTS | {*REGISTER_BYTES, *INSTRUCTION_POINTERS}
RESERVED = _REGISTERS | {
    *SIZES,
    *("ptr", "short", "near", "far", "offset", "fword", "tbyte", "xmmword", "ymmword"),
}


def is_register(name: str) -> bool:
    """Return whether `name` is a register, in either case."""
    return name.lower() in _REGISTERS


def is_reserved(name: str) -> bool:
    """Return whether `name` cannot name a symbol: a register or a word of operands."""
    return name.lower() in RESERVED
