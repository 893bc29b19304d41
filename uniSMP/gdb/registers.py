"""The register file that gdb sees: target.xml, and each register as bytes.

It is that of x86-64 in every mode of a core, as gdb cannot change it while it is connected.

Source: GDB manual, appendix "Target Descriptions", section "i386 Features"; the order within a
feature is the one that gdb's own descriptions have.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from uniSMP.errors import ConfigError
from uniSMP.machine.machine import Machine

_GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split()  # noqa: SIM905
_SEGMENTS = "cs ss ds es fs gs".split()  # noqa: SIM905
_X87 = tuple(f"st{number}" for number in range(8))
_X87_CONTROL = "fctrl fstat ftag fiseg fioff foseg fooff fop".split()  # noqa: SIM905
_XMM = tuple(f"xmm{number}" for number in range(16))
_CONTROL = "cr0 cr2 cr3 cr4 cr8 efer".split()  # noqa: SIM905
_OURS = {"eflags": "rflags", "k_gs_base": "kernel_gs_base"}
"""Names that differ from those of `uniSMP.core.registers`."""
_ABSENT = frozenset({"fiseg", "fioff", "foseg", "fooff", "fop"})
"""x87 pointers, which the engine does not keep."""


@dataclass(frozen=True, slots=True)
class Register:
    """One register of the file.

    Attributes:
        name: as gdb calls it.
        size_bytes: its size in `g` packets.
        type: its type in target.xml.
        feature: the part of target.xml where it stands.
        group: "general", "float", "vector" or "system".
    """

    name: str
    size_bytes: int
    type: str
    feature: str
    group: str


def _file() -> tuple[Register, ...]:
    core, segments = "org.gnu.gdb.i386.core", "org.gnu.gdb.i386.segments"
    sse, system = "org.gnu.gdb.i386.sse", "org.unismp.system"
    rows = [Register(name, 8, "int64", core, "general") for name in _GENERAL]
    for name in ("rbp", "rsp"):
        rows[_GENERAL.index(name)] = Register(name, 8, "data_ptr", core, "general")
    rows.append(Register("rip", 8, "code_ptr", core, "general"))
    rows.append(Register("eflags", 4, "i386_eflags", core, "general"))
    rows += [Register(name, 4, "int32", core, "general") for name in _SEGMENTS]
    rows += [Register(name, 10, "i387_ext", core, "float") for name in _X87]
    rows += [Register(name, 4, "int", core, "float") for name in _X87_CONTROL]
    rows += [Register(name, 16, "vec128", sse, "vector") for name in _XMM]
    rows.append(Register("mxcsr", 4, "i386_mxcsr", sse, "vector"))
    rows += [Register(name, 8, "int64", segments, "system") for name in ("fs_base", "gs_base")]
    rows += [Register(name, 8, "int64", system, "system") for name in ("k_gs_base", *_CONTROL)]
    return tuple(rows)


FILE = _file()
"""All registers, by gdb's number."""
NUMBER = {register.name: number for number, register in enumerate(FILE)}
EXPEDITED = tuple(NUMBER[name] for name in ("rbp", "rsp", "rip"))
"""What gdb wants to know at each stop."""
_FLAGS = (
    "CF",
    "",
    "PF",
    "",
    "AF",
    "",
    "ZF",
    "SF",
    "TF",
    "IF",
    "DF",
    "OF",
    *("", "", "NT", "", "RF", "VM", "AC", "VIF", "VIP", "ID"),
)
_MXCSR = tuple("IE DE ZE OE UE PE DAZ IM DM ZM OM UM PM".split())  # noqa: SIM905
_MXCSR_FTZ_BIT = 15
_VECTORS = (
    *(("v4f", "ieee_single", 4), ("v2d", "ieee_double", 2), ("v16i8", "int8", 16)),
    *(("v8i16", "int16", 8), ("v4i32", "int32", 4), ("v2i64", "int64", 2)),
)
_VIEWS = (
    *(("v4_float", "v4f"), ("v2_double", "v2d"), ("v16_int8", "v16i8"), ("v8_int16", "v8i16")),
    *(("v4_int32", "v4i32"), ("v2_int64", "v2i64"), ("uint128", "uint128")),
)


def _flags_type(name: str, bits: Mapping[int, str]) -> list[str]:
    rows = [f'<field name="{text}" start="{bit}" end="{bit}"/>' for bit, text in bits.items()]
    return [f'<flags id="{name}" size="4">', *rows, "</flags>"]


def _types(feature: str) -> list[str]:
    """Return the types that the registers of a feature need."""
    if feature.endswith(".core"):
        return _flags_type("i386_eflags", {bit: name for bit, name in enumerate(_FLAGS) if name})
    if not feature.endswith(".sse"):
        return []
    bits = dict(enumerate(_MXCSR)) | {_MXCSR_FTZ_BIT: "FZ"}
    vectors = [
        f'<vector id="{name}" type="{kind}" count="{count}"/>' for name, kind, count in _VECTORS
    ]
    views = [f'<field name="{name}" type="{kind}"/>' for name, kind in _VIEWS]
    return [*vectors, '<union id="vec128">', *views, "</union>", *_flags_type("i386_mxcsr", bits)]


def target_xml() -> str:
    """Return the description of the register file."""
    lines = [
        '<?xml version="1.0"?>',
        '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
        "<target>",
        "<architecture>i386:x86-64</architecture>",
        "<osabi>none</osabi>",
    ]
    for feature in dict.fromkeys(register.feature for register in FILE):
        lines += [f'<feature name="{feature}">', *_types(feature)]
        lines += [
            f'<reg name="{row.name}" bitsize="{8 * row.size_bytes}" type="{row.type}" '
            f'regnum="{number}" group="{row.group}"/>'
            for number, row in enumerate(FILE)
            if row.feature == feature
        ]
        lines.append("</feature>")
    return "\n".join([*lines, "</target>", ""])


class RegisterFile:
    """The registers of one core, for gdb."""

    def __init__(self, machine: Machine, core_id: int) -> None:
        self._registers = machine.core(core_id).registers
        self._apic = machine.devices.local_apics[core_id]

    def read_all(self) -> bytes:
        """Return the register file, as a `g` packet has it."""
        extended = self._registers.extended()
        return b"".join(self._pack(register, extended) for register in FILE)

    def read(self, number: int) -> bytes:
        """Return one register, little-endian.

        Raises:
            ConfigError: there is no such register.
        """
        if not 0 <= number < len(FILE):
            raise ConfigError(f"there is no register {number}")
        register = FILE[number]
        is_extended = register.group in ("float", "vector")
        return self._pack(register, self._registers.extended() if is_extended else {})

    def _pack(self, register: Register, extended: Mapping[str, int]) -> bytes:
        size = register.size_bytes
        value = self._value(register, extended) & (1 << 8 * size) - 1
        return value.to_bytes(size, "little")

    def _value(self, register: Register, extended: Mapping[str, int]) -> int:
        name = register.name
        if name in _ABSENT:
            return 0
        if name in extended:
            return extended[name]
        if name == "cr8":
            return self._apic.tpr >> 4
        return self._registers[_OURS.get(name, name)]

    def write(self, number: int, data: bytes) -> None:
        """Set one register.

        Raises:
            ConfigError: there is no such register, the size is wrong, or it cannot be set: only
                general registers, `rip` and `eflags` can, and each other one to what it holds.
        """
        old = self.read(number)
        register = FILE[number]
        if len(data) != register.size_bytes:
            raise ConfigError(f"{register.name} has {register.size_bytes} bytes, not {len(data)}")
        if data == old:
            return
        name = _OURS.get(register.name, register.name)
        self._registers[name] = int.from_bytes(data, "little")

    def write_all(self, data: bytes) -> None:
        """Set the whole file, as a `G` packet has it.

        Raises:
            ConfigError: as `write`; the registers before the one that cannot be set are set.
        """
        if len(data) != sum(register.size_bytes for register in FILE):
            raise ConfigError(f"{len(data)} bytes are no register file")
        place = 0
        for number, register in enumerate(FILE):
            self.write(number, data[place : place + register.size_bytes])
            place += register.size_bytes
