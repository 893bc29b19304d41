"""Instructions that the engine lacks, gets wrong, or cannot know the machine's answer to.

Each method does one instruction's work on the stopped core, or raises the fault it raises. What is
advertised in CPUID decides what exists: everything else is #UD.

Source: Intel SDM volume 2, the instruction of each method's name; volume 3A, sections "Control
Registers" and "Debug Registers".
"""

from enum import Enum, auto
from typing import TYPE_CHECKING

from uniSMP.arch import descriptors as ds
from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.arch.flags import Cr0, Cr4, Dr6, Efer, Rflags
from uniSMP.core import context as cx
from uniSMP.core.blocks import Instruction
from uniSMP.core.cpuid import VALID_CR4
from uniSMP.core.engine import Engine
from uniSMP.core.guest_memory import is_canonical
from uniSMP.core.msrs import ModelSpecificRegisters
from uniSMP.core.platform import Platform
from uniSMP.core.port_io import PortIo

if TYPE_CHECKING:
    from collections.abc import Callable

_REGISTERS_64 = (
    "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()  # noqa: SIM905
)
_REGISTERS_32 = "eax ecx edx ebx esp ebp esi edi".split()  # noqa: SIM905
_NUMBER = {
    name: number for names in (_REGISTERS_64, _REGISTERS_32) for number, name in enumerate(names)
}
_PE, _PG, _NW, _CD = (int(bit) for bit in (Cr0.PE, Cr0.PG, Cr0.NW, Cr0.CD))
_TSD, _PAE = int(Cr4.TSD), int(Cr4.PAE)
_SCE, _LME = int(Efer.SCE), int(Efer.LME)
_IF, _RF, _VM = int(Rflags.IF), int(Rflags.RF), int(Rflags.VM)
_DR7_GENERAL_DETECT = 1 << 13
_NARROW_DEBUG_REGISTERS = frozenset({"dr4", "dr5", "dr6", "dr7"})
_CODE_LONG = 0x00A0_9B00
_CODE_32 = 0x00C0_9B00
_STACK = 0x00C0_9300
_USER_CODE_LONG = 0x00A0_FB00
_USER_CODE_32 = 0x00C0_FB00
_USER_STACK = 0x00C0_F300
_USER_LEVEL = 3
_SYSRET_FLAGS = 0x3C_7FD7
"""What SYSRET takes from R11: all but RF, VM and the reserved bits."""
_LONG_BITS = 64
_OPERAND_SIZE, _ADDRESS_SIZE = 0x66, 0x67
"""Prefixes."""


def register_number(name: str) -> int:
    """Return the number of a general register by its 32- or 64-bit name."""
    return _NUMBER[name]


class Effect(Enum):
    """What the core does after an emulated instruction."""

    ADVANCE = auto()
    """RIP moves behind it."""
    JUMP = auto()
    """RIP is set already."""
    REPEAT = auto()
    """RIP stays: a repeated string instruction goes on."""
    NATIVE = auto()
    """All checks passed: the engine executes it."""


class Instructions:
    """Emulated instructions of one core."""

    def __init__(
        self,
        engine: Engine,
        platform: Platform,
        msrs: ModelSpecificRegisters,
        ports: PortIo,
    ) -> None:
        self._engine = engine
        self._context = engine.context
        self._platform = platform
        self._msrs = msrs
        self._ports = ports
        self._methods: dict[str, Callable[[Instruction], Effect]] = {
            "in": self._transfer,
            "out": self._transfer,
            **dict.fromkeys(("insb", "insw", "insd", "outsb", "outsw", "outsd"), self._string),
            "cpuid": self._cpuid,
            "rdtsc": self._rdtsc,
            "rdtscp": self._rdtsc,
            "rdmsr": self._rdmsr,
            "wrmsr": self._wrmsr,
            "rdpmc": self._rdpmc,
            "mov": self._move,
            "loope": self._loop,
            "loopne": self._loop,
            "syscall": self._syscall,
            "sysenter": self._sysenter,
            "sysret": self._sysret,
            "sysretq": self._sysret,
        }

    def execute(self, instruction: Instruction) -> Effect:
        """Execute a sensitive instruction at RIP.

        Raises:
            Fault: the exception it raises; nothing has changed then.
        """
        method = self._methods.get(instruction.mnemonic)
        if method is None or "lock" in instruction.prefixes:
            raise Fault(Vector.UD)
        return method(instruction)

    def _require_level_0(self) -> None:
        if self._context.cpl:
            raise Fault(Vector.GP, 0)

    def _transfer(self, instruction: Instruction) -> Effect:
        self._ports.transfer(instruction)
        return Effect.ADVANCE

    def _string(self, instruction: Instruction) -> Effect:
        is_repeated = self._ports.transfer_string(instruction)
        return Effect.REPEAT if is_repeated else Effect.ADVANCE

    def _cpuid(self, _instruction: Instruction) -> Effect:
        context = self._context
        leaf = context.register(cx.RAX) & cx.MASK32
        values = self._platform.cpuid(leaf, context.register(cx.RCX) & cx.MASK32)
        for number, value in zip((cx.RAX, cx.RBX, cx.RCX, cx.RDX), values, strict=True):
            context.set_register_32(number, value)
        return Effect.ADVANCE

    def _rdtsc(self, instruction: Instruction) -> Effect:
        context = self._context
        if context.quad(cx.CR4) & _TSD and context.cpl:
            raise Fault(Vector.GP, 0)
        self._set_edx_eax(self._platform.time_stamp())
        if instruction.mnemonic == "rdtscp":
            context.set_register_32(cx.RCX, context.quad(cx.TSC_AUX))
        return Effect.ADVANCE

    def _set_edx_eax(self, value: int) -> None:
        self._context.set_register_32(cx.RAX, value)
        self._context.set_register_32(cx.RDX, value >> 32)

    def _rdmsr(self, _instruction: Instruction) -> Effect:
        self._require_level_0()
        self._set_edx_eax(self._msrs.read(self._context.register(cx.RCX) & cx.MASK32))
        return Effect.ADVANCE

    def _wrmsr(self, _instruction: Instruction) -> Effect:
        self._require_level_0()
        context = self._context
        high, low = context.register(cx.RDX) & cx.MASK32, context.register(cx.RAX) & cx.MASK32
        self._msrs.write(context.register(cx.RCX) & cx.MASK32, high << 32 | low)
        return Effect.ADVANCE

    def _rdpmc(self, _instruction: Instruction) -> Effect:
        raise Fault(Vector.GP, 0)  # no performance counter is advertised

    def _move(self, instruction: Instruction) -> Effect:
        """Check MOV to or from a control or debug register."""
        self._require_level_0()
        target, _, source = instruction.operands.partition(", ")
        if target == "cr8":
            value = self._context.register(_NUMBER[source])
            if value & ~15:
                raise Fault(Vector.GP, 0)
            self._platform.write_task_priority(value)
            return Effect.ADVANCE
        if source == "cr8":
            self._context.set_register(_NUMBER[target], self._platform.read_task_priority())
            return Effect.ADVANCE
        if target in ("cr0", "cr4"):
            value = self._context.register(_NUMBER[source])
            if self._context.bits != _LONG_BITS:
                value &= cx.MASK32
            is_valid = self._is_valid_cr0(value) if target == "cr0" else self._is_valid_cr4(value)
            if not is_valid:
                raise Fault(Vector.GP, 0)
            return Effect.NATIVE
        return self._check_debug_move(target, source)

    def _is_valid_cr0(self, value: int) -> bool:
        context = self._context
        if value >> 32 or (value & _PG and not value & _PE) or (value & _NW and not value & _CD):
            return False
        is_paging = context.quad(cx.CR0) & _PG
        if is_paging:
            return bool(value & _PG) or context.bits != _LONG_BITS
        if not value & _PG or not context.quad(cx.EFER) & _LME:
            return True
        is_long_code = context.segment(cx.CS).flags & ds.LONG
        return bool(context.quad(cx.CR4) & _PAE) and not is_long_code

    def _is_valid_cr4(self, value: int) -> bool:
        if value & ~VALID_CR4:
            return False
        return not self._context.is_long_mode or bool(value & _PAE)

    def _check_debug_move(self, target: str, source: str) -> Effect:
        """Raise #DB where DR7.GD guards the debug registers, #GP for bits DR6 and DR7 lack."""
        context = self._context
        if context.quad(cx.DR + 8 * 7) & _DR7_GENERAL_DETECT:
            context.set_quad(cx.DR + 8 * 7, context.quad(cx.DR + 8 * 7) & ~_DR7_GENERAL_DETECT)
            context.set_quad(cx.DR + 8 * 6, context.quad(cx.DR + 8 * 6) | Dr6.BD)
            raise Fault(Vector.DB)
        is_wide = context.bits == _LONG_BITS and target in _NARROW_DEBUG_REGISTERS
        if is_wide and context.register(_NUMBER[source]) >> 32:
            raise Fault(Vector.GP, 0)
        return Effect.NATIVE

    def _loop(self, instruction: Instruction) -> Effect:
        """LOOPE and LOOPNE: the engine leaves wrong status flags where the count reaches 0."""
        context = self._context
        is_narrow = _ADDRESS_SIZE in instruction.code[:-2]
        width = {64: 32, 32: 16, 16: 32}[context.bits] if is_narrow else context.bits
        mask = (1 << width) - 1
        old = context.register(cx.RCX)
        count = (old - 1) & mask
        kept = 0 if width >= 32 else old & ~mask  # noqa: PLR2004 - ECX clears the upper half
        is_zero = bool(self._engine.full_flags() & Rflags.ZF)
        if not count or is_zero != (instruction.mnemonic == "loope"):
            context.set_register(cx.RCX, kept | count)
            return Effect.ADVANCE
        displacement = int.from_bytes(instruction.code[-1:], signed=True)
        rip = context.rip + instruction.size_bytes + displacement
        operand_bits = context.bits
        if context.bits != _LONG_BITS and _OPERAND_SIZE in instruction.code[:-2]:
            operand_bits = 48 - context.bits
        rip &= (1 << operand_bits) - 1
        if context.bits == _LONG_BITS and not is_canonical(rip):
            raise Fault(Vector.GP, 0)
        if context.bits != _LONG_BITS and rip > context.segment(cx.CS).limit:
            raise Fault(Vector.GP, 0)
        context.set_register(cx.RCX, kept | count)
        context.rip = rip
        return Effect.JUMP

    def _syscall(self, instruction: Instruction) -> Effect:
        """SYSCALL exists in 64-bit mode only, as on Intel's processors."""
        context = self._context
        if context.bits != _LONG_BITS or not context.quad(cx.EFER) & _SCE:
            raise Fault(Vector.UD)
        flags = self._engine.full_flags()
        context.set_register(cx.RCX, context.rip + instruction.size_bytes)
        context.set_register(cx.R11, flags)
        context.rip = context.quad(cx.LSTAR)
        context.set_flags(flags & ~context.quad(cx.FMASK) & ~_RF)
        self._enter_level_0(context.quad(cx.STAR) >> 32 & 0xFFFC, _CODE_LONG)
        return Effect.JUMP

    def _sysret(self, instruction: Instruction) -> Effect:
        """SYSRET: the engine checks neither the mode nor the address, and takes VM from R11."""
        context = self._context
        if context.bits != _LONG_BITS or not context.quad(cx.EFER) & _SCE:
            raise Fault(Vector.UD)
        self._require_level_0()
        selector = context.quad(cx.STAR) >> 48
        rip, code_flags = context.register(cx.RCX) & cx.MASK32, _USER_CODE_32
        if instruction.mnemonic == "sysretq":
            rip, code_flags = context.register(cx.RCX), _USER_CODE_LONG
            selector += 16
            if not is_canonical(rip):
                raise Fault(Vector.GP, 0)
        context.rip = rip
        context.set_flags(context.register(cx.R11) & _SYSRET_FLAGS)
        stack = (context.quad(cx.STAR) >> 48) + 8 & 0xFFFF | _USER_LEVEL
        code = cx.Segment(selector & 0xFFFF | _USER_LEVEL, 0, cx.MASK32, code_flags)
        context.set_segment(cx.CS, code)
        context.set_segment(cx.SS, cx.Segment(stack, 0, cx.MASK32, _USER_STACK))
        context.update_hflags()
        return Effect.JUMP

    def _sysenter(self, _instruction: Instruction) -> Effect:
        context = self._context
        selector = self._engine.read_msr(0x174) & 0xFFFC
        if not context.is_protected or not selector:
            raise Fault(Vector.GP, 0)
        context.set_flags(self._engine.full_flags() & ~(_IF | _VM | _RF))
        mask = cx.MASK64 if context.is_long_mode else cx.MASK32
        context.set_register(cx.RSP, self._engine.read_msr(0x175) & mask)
        context.rip = self._engine.read_msr(0x176) & mask
        self._enter_level_0(selector, _CODE_LONG if context.is_long_mode else _CODE_32)
        return Effect.JUMP

    def _enter_level_0(self, selector: int, code_flags: int) -> None:
        """Load the fixed flat segments of SYSCALL and SYSENTER."""
        self._context.set_segment(cx.CS, cx.Segment(selector, 0, cx.MASK32, code_flags))
        self._context.set_segment(cx.SS, cx.Segment(selector + 8, 0, cx.MASK32, _STACK))
        self._context.update_hflags()
