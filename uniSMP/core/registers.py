"""A core's registers by name, for people and tests, and as bytes for digests."""

import struct
from collections.abc import Callable, Iterator, Mapping

from uniSMP.core import context as cx
from uniSMP.core.core import Core
from uniSMP.errors import ConfigError

_GENERAL = tuple("rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split())  # noqa: SIM905
_SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
_QUADS = {
    "cr0": cx.CR0,
    "cr2": cx.CR2,
    "cr3": cx.CR3,
    "cr4": cx.CR4,
    "efer": cx.EFER,
    "star": cx.STAR,
    "lstar": cx.LSTAR,
    "cstar": cx.CSTAR,
    "sfmask": cx.FMASK,
    "kernel_gs_base": cx.KERNEL_GS_BASE,
    "tsc_aux": cx.TSC_AUX,
    "pat": cx.PAT,
    **{f"dr{number}": cx.DR + 8 * number for number in (0, 1, 2, 3, 6, 7)},
}
_BASES = {"fs_base": cx.FS, "gs_base": cx.GS}
_TABLES = {"ldt": cx.LDT, "tr": cx.TR, "gdt": cx.GDT, "idt": cx.IDT}
_NAMES = (*_GENERAL, "rip", "rflags", *_SEGMENTS, *_BASES, *_QUADS)
_X87_PHYSICAL = tuple(f"r{number}" for number in range(8))
_EXTENDED = (
    *_X87_PHYSICAL,
    *("fctrl", "fstat", "ftag"),
    *(f"xmm{number}" for number in range(16)),
    "mxcsr",
)
"""Order of `Engine.extended_state`."""
_X87_TOP_SHIFT = 11
_WRITABLE = frozenset({*_GENERAL, "rip", "rflags"})
_VISIBLE_FLAGS = 0x00F0_FF00


class Registers(Mapping[str, int]):
    r"""The registers of one core as a mapping from lower-case names to unsigned integers.

    General registers, `rip` and `rflags` can be set while the machine is not running; segment
    registers give their selectors.

    >>> from uniSMP import Machine, assemble
    >>> machine = Machine(cores=1, boot="long")
    >>> machine.load(assemble("_start: mov eax, 42\n cli\n hlt"))
    >>> _ = machine.run()
    >>> machine.core(0).registers["rax"]
    42
    """

    def __init__(self, core: Core, on_write: Callable[[int, str, int], None] | None = None) -> None:
        self._core = core
        self._context = core.engine.context
        self._on_write = on_write

    def __getitem__(self, name: str) -> int:
        context = self._context
        if name in _GENERAL:
            return context.register(_GENERAL.index(name))
        if name == "rip":
            return context.rip
        if name == "rflags":
            return self._core.engine.full_flags()
        if name in _SEGMENTS:
            return context.segment(_SEGMENTS.index(name)).selector
        if name in _BASES:
            return context.segment(_BASES[name]).base
        return context.quad(_QUADS[name])

    def __setitem__(self, name: str, value: int) -> None:
        if name not in _WRITABLE:
            raise ConfigError(
                f"register {name!r} cannot be set; choose one of the general registers"
            )
        if not 0 <= value <= cx.MASK64:
            raise ConfigError(f"{name} = {value:#x} does not fit 64 bits")
        if self._on_write is not None:
            self._on_write(self._core.core_id, name, value)
        if name == "rip":
            self._context.rip = value
        elif name == "rflags":
            self._context.set_flags(value)
        else:
            self._context.set_register(_GENERAL.index(name), value)

    def extended(self) -> dict[str, int]:
        """Return x87 and SSE registers: `st0`-`st7` (80 bits), `fctrl`, `fstat`, `ftag`, `xmm0`-...

        `ftag` is the full tag word, two bits for each physical register.
        """
        values = dict(zip(_EXTENDED, self._core.engine.extended_state(), strict=True))
        physical = [values.pop(name) for name in _X87_PHYSICAL]
        top = values["fstat"] >> _X87_TOP_SHIFT & 7
        stack = {f"st{number}": physical[top + number & 7] for number in range(8)}
        return stack | values

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)

    def __getattr__(self, name: str) -> int:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def architectural_state(core: Core) -> bytes:
    """Return everything a guest could observe of a core's registers, in a fixed order.

    Hidden parts of segment registers are included, engine scratch is not; lazily kept flags are
    folded in.
    """
    context = core.engine.context
    registers = Registers(core)
    parts = [struct.pack("<Q", registers[name]) for name in (*_GENERAL, "rip", "rflags", *_QUADS)]
    places = [cx.SEGMENTS + 24 * number for number in range(6)] + list(_TABLES.values())
    for place in places:
        segment = context.table(place)
        flags = segment.flags & _VISIBLE_FLAGS
        parts.append(
            struct.pack("<HQII", segment.selector & 0xFFFF, segment.base, segment.limit, flags)
        )
    parts.extend(value.to_bytes(16, "little") for value in core.engine.extended_state())
    sysenter = [core.engine.read_msr(number) for number in (0x174, 0x175, 0x176)]
    parts.append(struct.pack("<3Q", *sysenter))
    parts.append(repr(sorted(core.msrs.stored.items())).encode())
    activity = (
        core.is_halted,
        core.waits_for_start,
        core.is_shut_down,
        core.is_shadowed,
        context.is_nmi_blocked,
    )
    parts.append(bytes(activity))
    return b"".join(parts)
