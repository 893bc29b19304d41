"""One Unicorn engine: with `engine_build` the only module that knows the library.

The engine's CPU state is read and written in place; `engine_build` has checked where it lies.

Source: Unicorn 2.1.4, `include/unicorn/unicorn.h`; measurements in docs/engine.md.
"""

import ctypes
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import unicorn
from unicorn import x86_const as x86

from uniSMP.core import block_entry, native
from uniSMP.core import context as cx
from uniSMP.core import engine_build as build
from uniSMP.core import native_state as ns
from uniSMP.errors import EngineError

_PAGE_BYTES = 4096
_FLUSH_TLB = unicorn.UC_CTL_TLB_FLUSH | unicorn.UC_CTL_IO_WRITE << 30
_FLUSH_CODE = unicorn.UC_CTL_TB_FLUSH | unicorn.UC_CTL_IO_WRITE << 30
_HOOK_AFTER_READ = 1 << 13
"""UC_HOOK_MEM_READ_AFTER, which the Python binding does not offer."""
_HOOK_TRANSLATION = unicorn.UC_HOOK_EDGE_GENERATED
_EXTENDED_STATE = (
    *range(x86.UC_X86_REG_FP0, x86.UC_X86_REG_FP7 + 1),
    x86.UC_X86_REG_FPCW,
    x86.UC_X86_REG_FPSW,
    x86.UC_X86_REG_FPTAG,
    *range(x86.UC_X86_REG_XMM0, x86.UC_X86_REG_XMM15 + 1),
    x86.UC_X86_REG_MXCSR,
)
FETCH_ERRORS = frozenset(
    {unicorn.UC_ERR_FETCH_UNMAPPED, unicorn.UC_ERR_FETCH_PROT, unicorn.UC_ERR_INSN_INVALID}
)
"""Results of a run that mean: no code can be fetched there."""
RESET_ADDRESS = 0xFFFF_FFF0
_CPU_MODEL = x86.UC_CPU_X86_BROADWELL
"""The first Intel model with SMAP: where a model lacks it, MOV CR4 drops the bit in silence."""


@dataclass(frozen=True, slots=True)
class HostRegion:
    """Guest-physical memory backed by host memory; a read-only region drops writes."""

    physical: int
    size_bytes: int
    host_address: int
    is_read_only: bool = False


class Engine:
    """One 64-bit engine over shared memory, with its native state and hooks.

    Args:
        host_regions: memory of the machine, in guest-physical addresses.
        device_ranges: (physical, size in bytes) of everything else; accesses there stop the core.

    Raises:
        EngineError: the build of Unicorn is not the supported one, or refuses a mapping.

    Attributes:
        context: the architectural state.
        state: the words of `native_state`.
        words: the same words; Python reads and writes single ones faster here.
        table: what the block callback knows of blocks.
    """

    def __init__(
        self,
        host_regions: Iterable[HostRegion],
        device_ranges: Iterable[tuple[int, int]],
    ) -> None:
        build.check()
        self._engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self._handle = build.handle_of(self._engine)
        self._engine.ctl_set_cpu_model(_CPU_MODEL)
        # No address ends a run. The first call also makes the library set up the CPU.
        self._engine.ctl_exits_enabled(True)  # noqa: FBT003 - the library's signature
        self._engine.ctl_set_exits([])
        cpu = ctypes.c_uint64.from_address(self._handle + build.CPU_POINTER).value
        environment = cpu + build.ENV_IN_CPU
        buffer = (ctypes.c_uint8 * cx.SIZE_BYTES).from_address(environment)
        self.context = cx.Context(memoryview(buffer).cast("B"))
        self.state: npt.NDArray[np.int64] = np.zeros(ns.WORDS, dtype=np.int64)
        self.table: npt.NDArray[np.int64] = np.zeros(
            (ns.TABLE_ENTRIES, ns.ENTRY_WORDS), dtype=np.int64
        )
        self.words: memoryview = self.state.data
        self._regions: list[npt.NDArray[np.int64]] = []
        self._tracing: list[int] = []
        self._code_places: list[tuple[int, int, int]] = []
        self._fill_state(cpu, environment)
        self._map(host_regions, device_ranges)
        self._install_hooks()
        self._host_regions = [region for region in host_regions if not region.is_read_only]
        self._protected: set[int] = set()
        self._scheme = build.coherence_scheme()

    def _fill_state(self, cpu: int, environment: int) -> None:
        state = self.state
        state[ns.ENV] = environment
        state[ns.CPU] = cpu
        state[ns.ENGINE] = self._handle
        state[ns.TABLE] = self.table.ctypes.data
        state[ns.START_FUNCTION] = build.function("uc_emu_start")
        state[ns.STOP_FUNCTION] = build.function("uc_emu_stop")
        state[ns.TRANSLATE_FUNCTION] = build.function("uc_vmem_translate")
        state[ns.UNWIND_FUNCTION] = build.function("cpu_loop_exit_restore_x86_64")
        state[ns.BLOCK_FUNCTION] = native.on_block.address
        state[ns.REGISTER_FUNCTION] = build.function("uc_reg_read")
        self._scratch = np.zeros(1, dtype=np.int64)
        state[ns.SCRATCH] = self._scratch.ctypes.data
        state[ns.BLOCK] = -1

    def _map(
        self, host_regions: Iterable[HostRegion], device_ranges: Iterable[tuple[int, int]]
    ) -> None:
        position = 0
        for region in host_regions:
            shift = position - region.physical
            self._code_places.append((region.physical, region.physical + region.size_bytes, shift))
            position += region.size_bytes
            access = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
            if not region.is_read_only:
                access |= unicorn.UC_PROT_WRITE
            self._engine.mem_map_ptr(
                region.physical, region.size_bytes, access, region.host_address
            )
            if region.is_read_only:
                # A region mapped without write access takes stores all the same; one protected
                # afterwards, with a hook that allows them, drops them.
                self._engine.mem_protect(region.physical, region.size_bytes, access)
                last = region.physical + region.size_bytes - 1
                self._hook(
                    unicorn.UC_HOOK_MEM_WRITE_PROT, native.on_code_page, region.physical, last
                )
        for physical, size_bytes in device_ranges:
            self._map_devices(physical, size_bytes)

    def _map_devices(self, physical: int, size_bytes: int) -> None:
        data = np.array([self.state.ctypes.data, physical], dtype=np.int64)
        self._regions.append(data)
        where = ctypes.c_void_p(data.ctypes.data)
        status = build.LIBRARY.uc_mmio_map(
            ctypes.c_void_p(self._handle),
            ctypes.c_uint64(physical),
            ctypes.c_size_t(size_bytes),
            ctypes.c_void_p(native.on_device_read.address),
            where,
            ctypes.c_void_p(native.on_device_write.address),
            where,
        )
        if status:
            raise EngineError(f"cannot map devices at {physical:#x}: engine error {status}")

    def _install_hooks(self) -> None:
        self._hook_address(unicorn.UC_HOOK_BLOCK, block_entry.address())
        self._hook(unicorn.UC_HOOK_INTR, native.on_interrupt)
        self._hook(unicorn.UC_HOOK_INSN_INVALID, native.on_invalid)
        self._hook(_HOOK_TRANSLATION, native.on_translation)

    def _hook(self, kind: int, callback: object, begin: int = 1, end: int = 0) -> int:
        """Add a compiled callback for addresses begin to end (1, 0: all); return its handle."""
        return self._hook_address(kind, callback.address, begin, end)  # type: ignore[attr-defined]

    def _hook_address(self, kind: int, address: int, begin: int = 1, end: int = 0) -> int:
        result = ctypes.c_size_t()
        status = _hook_add(
            self._handle,
            ctypes.addressof(result),
            kind,
            address,
            self.state.ctypes.data,
            begin,
            end,
        )
        if status:
            raise EngineError(f"cannot add a hook of kind {kind:#x}: engine error {status}")
        return int(result.value)

    def watch_instructions(self, on_instruction: object, on_load: object, on_store: object) -> None:
        """Call compiled callbacks from now on: before instructions, after loads, before stores."""
        if not self._tracing:
            self._tracing = [
                self._hook(unicorn.UC_HOOK_CODE, on_instruction),
                self._hook(_HOOK_AFTER_READ, on_load),
                self._hook(unicorn.UC_HOOK_MEM_WRITE, on_store),
            ]
            self.state[ns.KEEPS_PLACE] = self._handle + build.PLACE_IS_SET
            saved = self.context.save()
            _control(self._handle, _FLUSH_CODE)
            self.context.restore(saved)

    def unwatch_instructions(self) -> None:
        """Call them no longer."""
        if self._tracing:
            saved = self.context.save()  # dropping hooks and code may fault on the guest's pages
            for handle in self._tracing:
                _hook_delete(self._handle, handle)
            self._tracing = []
            self.state[ns.KEEPS_PLACE] = 0
            _control(self._handle, _FLUSH_CODE)
            self.context.restore(saved)

    @property
    def retired(self) -> int:
        """Instructions retired so far."""
        return int(self.state[ns.RETIRED])

    def full_flags(self) -> int:
        """Return RFLAGS with the lazily kept status flags folded in."""
        result = ctypes.c_uint64()
        _reg_read(self._handle, x86.UC_X86_REG_EFLAGS, ctypes.addressof(result))
        return result.value

    def read_msr(self, number: int) -> int:
        """Return an MSR that the engine keeps itself."""
        return int(self._engine.reg_read(x86.UC_X86_REG_MSR, number))

    def write_msr(self, number: int, value: int) -> None:
        """Set an MSR that the engine keeps itself."""
        self._engine.reg_write(x86.UC_X86_REG_MSR, (number, value))

    def extended_state(self) -> tuple[int, ...]:
        """Return x87, MMX and SSE registers, in a fixed order, for digests and comparison."""
        return tuple(_as_integer(self._engine.reg_read(number)) for number in _EXTENDED_STATE)

    def reset_extended_state(self) -> None:
        """Put x87 and SSE registers into their state after power-on or INIT."""
        for number in _EXTENDED_STATE:
            self._engine.reg_write(number, _EXTENDED_RESET.get(number, 0))

    def translate_code(self, linear: int) -> int:
        """Return the physical address code at `linear` is fetched from, or -1."""
        result = ctypes.c_int64()
        cr2 = self.context.quad(cx.CR2)  # the engine notes a page that is not mapped there
        status = _translate(self._handle, linear, unicorn.UC_PROT_EXEC, ctypes.addressof(result))
        self.context.set_quad(cx.CR2, cr2)
        return -1 if status else result.value

    def flush_tlb(self) -> None:
        """Drop all cached translations of linear addresses; the block table is looked up anew."""
        _control(self._handle, _FLUSH_TLB)
        self.state[ns.EPOCH] += 1

    def invalidate_code(self, first: int, last: int) -> None:
        """Drop translated code of the physical range first..last (inclusive), perhaps more.

        The library's function counts addresses through its memory regions, in the order in which
        they were mapped.
        """
        if self._scheme == "portable":
            _control(self._handle, _FLUSH_CODE)
            return
        invalidate = _fast_functions()[0]
        for start, end, shift in self._code_places:
            if first < end and start <= last:
                begin = max(first, start) + shift
                invalidate(self._handle, begin, min(last + 1, end) + shift)

    def protect_code_page(self, page: int) -> None:
        """Keep stores to physical page number `page` on the path that notices changed code."""
        if page in self._protected:
            return
        self._protected.add(page)
        start = page * _PAGE_BYTES
        self._hook(
            unicorn.UC_HOOK_MEM_WRITE_PROT, native.on_code_page, start, start + _PAGE_BYTES - 1
        )
        if self._scheme == "portable":
            _control(self._handle, _FLUSH_TLB)
            return
        reset_dirty = _fast_functions()[1]
        for region in self._host_regions:
            if region.physical <= start < region.physical + region.size_bytes:
                host = region.host_address + start - region.physical
                reset_dirty(int(self.state[ns.CPU]), host, _PAGE_BYTES)

    def keep_stores_fast(
        self, words: npt.NDArray[np.uint64], code_pages: npt.NDArray[np.uint8]
    ) -> None:
        """Take stores off the slow path where no code is, see `native_tlb`; where that can be done.

        Args:
            words: RAM, from physical address 0 on.
            code_pages: a byte for each page of it, non-zero where it holds translated code.
        """
        if self._scheme == "fast" and build.has_known_tlb():
            state = self.state
            state[ns.RAM], state[ns.RAM_PAGES] = words.ctypes.data, len(code_pages)
            state[ns.CODE_PAGES] = code_pages.ctypes.data

    def close(self) -> None:
        """Free the engine; it must not be used afterwards."""
        del self._engine  # the library frees it with its last reference


def _as_integer(value: object) -> int:
    """Fold the (mantissa, exponent) pair of an x87 register into one integer."""
    if isinstance(value, tuple):
        mantissa, exponent = value
        return int(mantissa) | int(exponent) << 64
    assert isinstance(value, int)
    return value


_EXTENDED_RESET: dict[int, object] = {
    **dict.fromkeys(range(x86.UC_X86_REG_FP0, x86.UC_X86_REG_FP7 + 1), (0, 0)),
    x86.UC_X86_REG_FPCW: 0x40,
    x86.UC_X86_REG_FPTAG: 0x5555,
    x86.UC_X86_REG_MXCSR: 0x1F80,
}
"""SDM volume 3A, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT"."""

_hook_add = build.prototype(
    "uc_hook_add",
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_uint64,
    ctypes.c_uint64,
)
_hook_delete = build.prototype("uc_hook_del", ctypes.c_void_p, ctypes.c_void_p)
_reg_read = build.prototype("uc_reg_read", ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_translate = build.prototype(
    "uc_vmem_translate", ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p
)
_control = build.prototype("uc_ctl", ctypes.c_void_p, ctypes.c_uint32)


@functools.cache
def _fast_functions() -> tuple[Callable[..., None], Callable[..., None]]:
    """Return what invalidates translations, and what marks a page as not dirty."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)
    return (
        kind(build.function("tb_invalidate_phys_range_x86_64")),
        kind(build.function("tlb_reset_dirty_x86_64")),
    )
