"""What the installed build of Unicorn is and offers; checked once per process.

Besides `engine` the only module that knows the library. Its internals are used where they lie as
expected; a build whose CPU state lies elsewhere is refused, and what only makes things faster is
left out where it cannot be had.
"""

import ctypes
import functools
import os
from collections.abc import Callable
from typing import Any

import unicorn
import unicorn.unicorn_py3.unicorn as binding
from unicorn import x86_const as x86

from uniSMP.core import context as cx
from uniSMP.core import native, native_tlb
from uniSMP.errors import ConfigError, EngineError

LIBRARY = binding.uclib
SUPPORTED_VERSION = "2.1.4"
CPU_POINTER = 440
"""Offset of the pointer to the CPU object in the engine structure."""
ENV_IN_CPU = 35408
"""Offset of the CPU state in the CPU object."""
PLACE_IS_SET = 14898
"""Offset of the flag in the engine structure that RIP was set by somebody else."""
COHERENCE_VARIABLE = "UNISMP_COHERENCE"
"""Environment variable that forces a scheme: fast or portable."""
_CONTEXT_BYTES = 5608
_FAST_FUNCTIONS = ("tb_invalidate_phys_range_x86_64", "tlb_reset_dirty_x86_64")
_PAGE_BYTES = 4096
_CODE, _DATA = 0x1000, 0x3000
_STORE = bytes.fromhex("8803 f4")  # mov [rbx], al; hlt


def function(name: str) -> int:
    """Return the host address of an exported function of the engine's library.

    Raises:
        EngineError: it is not exported.
    """
    try:
        address = ctypes.cast(getattr(LIBRARY, name), ctypes.c_void_p).value
    except AttributeError as error:
        raise EngineError(unsupported(f"{name} is not exported")) from error
    return address or 0


def prototype(name: str, *arguments: type) -> Callable[..., Any]:
    """Return an exported function that takes `arguments` and returns an int."""
    return ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(function(name))


def unsupported(what: str) -> str:
    """Return the message for a build that lacks something."""
    return (
        f"unsupported build of Unicorn ({unicorn.__version__}): {what}; "
        f"install the wheel unicorn=={SUPPORTED_VERSION} for a 64-bit little-endian host"
    )


def handle_of(engine: unicorn.Uc) -> int:
    """Return the host address of an engine's structure."""
    handle = engine._uch  # noqa: SLF001 - the library offers no public name
    return int(getattr(handle, "value", handle))


def coherence_scheme() -> str:
    """Return how changed code is noticed: "fast", or "portable" where exports are missing.

    Raises:
        ConfigError: the environment forces an unknown scheme.
        EngineError: it forces one that this build does not offer.
    """
    is_fast = all(hasattr(LIBRARY, name) for name in _FAST_FUNCTIONS)
    forced = os.environ.get(COHERENCE_VARIABLE)
    if forced is None:
        return "fast" if is_fast else "portable"
    if forced not in ("fast", "portable"):
        raise ConfigError(f"{COHERENCE_VARIABLE}={forced}: choose fast or portable")
    if forced == "fast" and not is_fast:
        raise EngineError(unsupported("the functions of the fast coherence scheme are missing"))
    return forced


@functools.cache
def check() -> None:
    """Check that this build is laid out as `uniSMP.core` expects.

    Raises:
        EngineError: another version, or other positions in its structures.
    """
    if unicorn.__version__ != SUPPORTED_VERSION:
        raise EngineError(unsupported(f"version {SUPPORTED_VERSION} is needed"))
    engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    handle = ctypes.c_void_p(handle_of(engine))
    LIBRARY.uc_context_size.restype = ctypes.c_size_t
    if LIBRARY.uc_context_size(handle) != _CONTEXT_BYTES:
        raise EngineError(unsupported("the context has another size"))
    marks = {x86.UC_X86_REG_RAX: 0, x86.UC_X86_REG_R15: 15, x86.UC_X86_REG_RIP: cx.RIP // 8}
    for number, position in marks.items():
        engine.reg_write(number, 0x5A5A_0000_1234_0000 + position)
    engine.reg_write(x86.UC_X86_REG_CR3, 0x7654_3000)
    state = _read_own_memory(handle.value or 0)
    expected = {position * 8: 0x5A5A_0000_1234_0000 + position for position in marks.values()}
    expected[cx.CR3] = 0x7654_3000
    for offset, value in expected.items():
        if state[offset : offset + 8] != value.to_bytes(8, "little"):
            raise EngineError(unsupported(f"the CPU state differs at offset {offset}"))
    _check_place_flag(engine, handle.value or 0)


def _check_place_flag(engine: unicorn.Uc, handle: int) -> None:
    """Find the flag that says that RIP was written where it should be: set by writing RIP."""
    flag = ctypes.c_uint8.from_address(handle + PLACE_IS_SET)
    flag.value = 0
    engine.reg_write(x86.UC_X86_REG_RAX, 1)
    before = flag.value
    engine.reg_write(x86.UC_X86_REG_RIP, 1)
    if (before, flag.value) != (0, 1):
        raise EngineError(unsupported("the flag that RIP was written is not where it should be"))


def _read_own_memory(handle: int) -> bytes:
    """Read the CPU state through the kernel, so that a wrong pointer is an error, not a crash."""
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - not a path
            memory.seek(handle + CPU_POINTER)
            cpu = int.from_bytes(memory.read(8), "little")
            memory.seek(cpu + native.NEXT_BLOCK_FLAGS)
            if memory.read(4) != b"\xff\xff\xff\xff":
                raise EngineError(unsupported("the CPU object is laid out differently"))
            memory.seek(cpu + ENV_IN_CPU)
            return memory.read(cx.SIZE_BYTES)
    except OSError as error:
        raise EngineError(unsupported("the CPU state is not where it should be")) from error


@functools.cache
def has_known_tlb() -> bool:
    """Return whether the TLB is as `native_tlb` expects: a store leaves its entry there."""
    check()
    memory = ctypes.create_string_buffer(5 * _PAGE_BYTES)
    host = -(-ctypes.addressof(memory) // _PAGE_BYTES) * _PAGE_BYTES
    engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    engine.mem_map_ptr(0, 4 * _PAGE_BYTES, unicorn.UC_PROT_ALL, host)
    ctypes.memmove(host + _CODE, _STORE, len(_STORE))
    engine.reg_write(x86.UC_X86_REG_RBX, _DATA)
    engine.emu_start(_CODE, 0)
    return _has_entry(engine, host)


def _has_entry(engine: unicorn.Uc, host: int) -> bool:
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - not a path

            def words(place: int, count: int) -> list[int]:
                memory.seek(place)
                data = memory.read(8 * count)
                return [int.from_bytes(data[i : i + 8], "little") for i in range(0, 8 * count, 8)]

            cpu = words(handle_of(engine) + CPU_POINTER, 1)[0]
            for mode in range(native_tlb.MODES):
                mask, table = words(cpu + ENV_IN_CPU - native_tlb.TABLES + 16 * mode, 2)
                place = table + ((_DATA >> 12) * native_tlb.ENTRY_WORDS * 8 & mask)
                entry = words(place, native_tlb.ENTRY_WORDS)
                if entry[native_tlb.STORE] == _DATA | native_tlb.NOT_DIRTY:
                    physical, addend = entry[native_tlb.PHYSICAL], entry[native_tlb.ADDEND]
                    return physical == _DATA and addend == host
    except (OSError, OverflowError, ValueError):
        return False
    return False


def installed() -> tuple[str, str]:
    """Return the version of the installed library, and the path of its file."""
    return unicorn.__version__, str(getattr(LIBRARY, "_name", "unknown"))
