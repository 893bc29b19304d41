"""Shared memory, stale code, memory hooks, MMIO, snapshots: docs/engine.md, rows Y and N."""

import ctypes
from collections.abc import Callable
from typing import Any

import pytest
import unicorn
from unicorn import UC_ARCH_X86, UC_MODE_64, Uc
from unicorn import x86_const as x86

from uniSMP import RoundRobin
from uniSMP.core import context as cx

RIP, RAX = x86.UC_X86_REG_RIP, x86.UC_X86_REG_RAX
RETURN_1 = "mov eax, 1\nhlt"
CODE_AT = 0x1000
PATCH_AT = 0x1001
CPU_POINTER = 440
Ram = ctypes.Array[ctypes.c_char]


def run(engine: Uc) -> int:
    """Run the code at 0x1000 and return EAX."""
    engine.emu_start(CODE_AT, 0)
    return int(engine.reg_read(RAX))


def watch_all_stores(engine: Uc) -> None:
    engine.hook_add(unicorn.UC_HOOK_MEM_WRITE, lambda *_all: None)


def flush_tlb(engine: Uc, library: ctypes.CDLL) -> None:
    command = unicorn.UC_CTL_TLB_FLUSH | unicorn.UC_CTL_IO_WRITE << 30
    assert library.uc_ctl(engine._uch, command) == 0


def two_engines(raw: Callable[..., Uc], ram: Ram) -> tuple[Uc, Uc]:
    """Return an engine that writes byte 7 into the code of the other one, and the other one."""
    memory = ctypes.addressof(ram)
    reader = raw(RETURN_1, memory=memory)
    writer = raw("mov byte ptr [0x1001], 7\nhlt", origin=0x2000, memory=memory)
    return writer, reader


# -- several engines on one memory -----------------------------------------------------------------


def test_shared_mapping_is_coherent_for_data(raw: Callable[..., Uc], shared_ram: Ram) -> None:
    memory = ctypes.addressof(shared_ram)
    writer = raw("mov dword ptr [0x3000], 77\nhlt", memory=memory)
    reader = raw("mov eax, [0x3000]\nhlt", origin=0x2000, memory=memory)
    writer.emu_start(0x1000, 0)
    reader.emu_start(0x2000, 0)
    assert reader.reg_read(RAX) == 77


def test_code_stored_by_another_engine_stays_stale(raw: Callable[..., Uc], shared_ram: Ram) -> None:
    writer, reader = two_engines(raw, shared_ram)
    before = run(reader)
    writer.emu_start(0x2000, 0)
    assert (before, run(reader)) == (1, 1)
    assert shared_ram[PATCH_AT] == b"\x07"


def test_code_stored_by_the_host_stays_stale(raw: Callable[..., Uc], shared_ram: Ram) -> None:
    _writer, reader = two_engines(raw, shared_ram)
    before = run(reader)
    shared_ram[PATCH_AT] = b"\x07"
    assert (before, run(reader)) == (1, 1)


def test_code_stored_by_mem_write_stays_stale(raw: Callable[..., Uc]) -> None:
    engine = raw(RETURN_1)
    before = run(engine)
    engine.mem_write(PATCH_AT, b"\x07")
    assert (before, run(engine)) == (1, 1)


def test_removing_the_translations_of_an_address_makes_code_fresh(raw: Callable[..., Uc]) -> None:
    engine = raw(RETURN_1)
    run(engine)
    engine.mem_write(PATCH_AT, b"\x07")
    engine.ctl_remove_cache(0x1000, 0x1006)
    assert run(engine) == 7


def test_removing_translations_takes_virtual_addresses(raw_paged: Callable[..., Uc]) -> None:
    engine = raw_paged("hlt", {0x30: 0x1007})
    engine.mem_write(0x1000, bytes.fromhex("b801000000 f4"))
    engine.emu_start(0x30000, 0)
    engine.mem_write(PATCH_AT, b"\x07")
    engine.ctl_remove_cache(0x30000, 0x30006)
    engine.emu_start(0x30000, 0)
    assert engine.reg_read(RAX) == 7


def test_exported_invalidation_takes_physical_addresses(
    raw_paged: Callable[..., Uc], raw_library: ctypes.CDLL
) -> None:
    engine = raw_paged("hlt", {0x30: 0x1007})
    engine.mem_write(0x1000, bytes.fromhex("b801000000 f4"))
    engine.emu_start(0x30000, 0)
    engine.mem_write(PATCH_AT, b"\x07")
    invalidate = raw_library.tb_invalidate_phys_range_x86_64
    invalidate.restype = None
    invalidate(engine._uch, ctypes.c_uint64(0x1000), ctypes.c_uint64(0x1006))
    engine.emu_start(0x30000, 0)
    assert engine.reg_read(RAX) == 7


def test_public_calls_invalidate_by_physical_address_without_paging(
    raw_paged: Callable[..., Uc], raw_state: type[Any], raw_library: ctypes.CDLL
) -> None:
    engine = raw_paged("hlt", {0x30: 0x1007})
    engine.mem_write(0x1000, bytes.fromhex("b801000000 f4"))
    engine.emu_start(0x30000, 0)
    engine.mem_write(PATCH_AT, b"\x07")
    engine.reg_write(x86.UC_X86_REG_CR2, 0xABC)
    saved = engine.context_save()
    flat = raw_state(engine)
    flat.write(cx.CR0, flat.read(cx.CR0, 8) & ~(1 << 31), 8)
    flat.write(cx.EFER, flat.read(cx.EFER, 8) & ~0x500, 8)
    flat.write(cx.HFLAGS, flat.read(cx.HFLAGS, 4) & ~0xC000, 4)
    flush_tlb(engine, raw_library)
    engine.ctl_remove_cache(0x1000, 0x1006)
    engine.context_restore(saved)
    flush_tlb(engine, raw_library)
    engine.emu_start(0x30000, 0)
    assert engine.reg_read(RAX) == 7
    assert engine.reg_read(x86.UC_X86_REG_CR2) == 0xABC


ALIAS = """
    mov byte ptr [0x30001], 1       # the alias is cached as data before there is code
    mov ecx, 0x31000
    call rcx
    mov ebx, eax
    mov byte ptr [0x30001], 7
    call rcx
    hlt
"""
NX = 1 << 63


def test_code_changed_through_a_non_executable_alias_stays_stale(
    raw_paged: Callable[..., Uc],
) -> None:
    engine = raw_paged(ALIAS, {0x30: NX | 0x31007})
    engine.mem_write(0x31000, bytes.fromhex("b801000000 c3"))
    assert run(engine) == 1


def test_store_hook_over_all_memory_cures_the_alias(raw_paged: Callable[..., Uc]) -> None:
    engine = raw_paged(ALIAS, {0x30: NX | 0x31007})
    engine.mem_write(0x31000, bytes.fromhex("b801000000 c3"))
    watch_all_stores(engine)
    assert run(engine) == 7


def test_write_protection_hook_on_the_code_page_cures_the_alias(
    raw_paged: Callable[..., Uc],
) -> None:
    engine = raw_paged(ALIAS, {0x30: NX | 0x31007})
    engine.mem_write(0x31000, bytes.fromhex("b801000000 c3"))
    engine.hook_add(unicorn.UC_HOOK_MEM_WRITE_PROT, lambda *_all: True, None, 0x31000, 0x31FFF)
    assert run(engine) == 7


@pytest.mark.parametrize(("resets", "expected"), [(False, 1), (True, 7)])
def test_write_protection_hook_added_later_needs_the_dirty_mark_reset(
    raw: Callable[..., Uc],
    raw_library: ctypes.CDLL,
    raw_tables: Callable[..., None],
    shared_ram: Ram,
    resets: bool,  # noqa: FBT001 - a parameter of the scheme
    expected: int,
) -> None:
    host = ctypes.addressof(shared_ram)
    engine = raw(ALIAS, memory=host)
    raw_tables(engine, {0x30: NX | 0x31007})
    engine.mem_write(0x31000, bytes.fromhex("b801000000 c3"))
    reset = raw_library.tlb_reset_dirty_x86_64
    reset.restype = None
    cpu = ctypes.c_uint64.from_address(engine._uch.value + CPU_POINTER).value
    page = ctypes.c_uint64(host + 0x31000 if resets else host)

    def protect(uc: Uc, _block: object, _previous: object, _data: object) -> None:
        uc.hook_add(unicorn.UC_HOOK_MEM_WRITE_PROT, lambda *_all: True, None, 0x31000, 0x31FFF)
        reset(ctypes.c_void_p(cpu), page, ctypes.c_uint64(4096))

    engine.hook_add(unicorn.UC_HOOK_EDGE_GENERATED, protect, None, 0x31000, 0x31FFF)
    assert run(engine) == expected


def test_code_translated_in_the_new_block_hook_can_be_located(
    raw_paged: Callable[..., Uc], raw_library: ctypes.CDLL
) -> None:
    engine = raw_paged("jmp next\nnext: hlt", {0x30: 0x1007})
    found: list[tuple[int, int]] = []

    def hook(uc: Uc, block: Any, _previous: object, _data: object) -> None:
        physical = ctypes.c_uint64()
        raw_library.uc_vmem_translate(
            uc._uch, ctypes.c_uint64(block.pc), unicorn.UC_PROT_EXEC, ctypes.byref(physical)
        )
        found.append((block.pc, physical.value))

    engine.hook_add(unicorn.UC_HOOK_EDGE_GENERATED, hook)
    engine.emu_start(0x30000, 0)
    assert found == [(0x30002, 0x1002)]


CROSS = """
    test edi, edi
    jz writer
reader:
    call code
    mov [0x2000], eax
    pause
    cmp eax, 7
    jne reader
    jmp stop
.align 64
code:
    mov eax, 1
    ret
.align 4096
writer:
    mov ecx, 40
delay:
    dec ecx
    jnz delay
    lea rdi, [rip + code + 1]
    mov eax, 7
    {store}
idle:
    pause
    jmp idle
"""
STORES = [
    "mov byte ptr [rdi], al",
    "xchg byte ptr [rdi], al",
    "mov ecx, 1\nrep stosb",
    "mov byte ptr [0x3000], al\nmov esi, 0x3000\nmov ecx, 1\nrep movsb",
    "mov ecx, 7\nmov eax, 1\nlock cmpxchg byte ptr [rdi], cl",
    "lock add byte ptr [rdi], 6",
    "mov rcx, 0xC300000007\nlea rsp, [rdi + 8]\npush rcx",
    "movd xmm0, eax\nmovd dword ptr [rdi], xmm0",
]


@pytest.mark.parametrize("quantum", [5, 10_000])
@pytest.mark.parametrize("store", STORES)
def test_machine_code_stored_by_another_core_is_executed_as_written(
    guest: Callable[..., Any], store: str, quantum: int
) -> None:
    done = guest(CROSS.format(store=store), cores=2, schedule=RoundRobin(quantum))
    assert done.result.outcome == "FINISHED"
    assert done.machine.memory.read_integer(0x2000, 4) == 7


def test_machine_code_written_by_the_host_is_executed_as_written(
    guest: Callable[..., Any],
) -> None:
    done = guest(
        "again:\ncall code\nmov [0x2000], eax\njmp again\n.align 64\ncode:\nmov eax, 1\nret",
        max_instructions=100,
    )
    before = done.word(0)
    done.machine.memory.write_integer(done.label("code") + 1, 7, 1)
    done.machine.run(max_instructions=100)
    assert (before, done.word(0)) == (1, 7)


ALIASED = """
    mov edi, 0x20000
    xor ecx, ecx
fill:
    mov rdx, rcx
    shl rdx, 12
    or rdx, 3
    mov [rdi + rcx * 8], rdx
    inc ecx
    cmp ecx, 512
    jne fill
    mov rdx, {entry}
    mov [0x20000 + 0x30 * 8], rdx
    mov qword ptr [0x1FB000], 0x20003
    mov rax, cr3
    mov cr3, rax
    mov rax, 0xC300000001B8         # mov eax, 1; ret
    mov [0x30000], rax              # the alias is cached as data before there is code
    mov edi, 0x31000
    call rdi
    mov ebx, eax
    {store}
    call rdi
    mov ecx, eax
"""


@pytest.mark.parametrize("quantum", [1, 10_000])
@pytest.mark.parametrize("entry", [0x31003, NX | 0x31003])
@pytest.mark.parametrize(
    "store",
    ["mov byte ptr [0x30001], 7", "mov al, 7\nxchg al, [0x30001]", "inc byte ptr [0x30001]"],
)
def test_machine_code_changed_through_an_alias_is_executed_as_written(
    guest: Callable[..., Any], store: str, entry: int, quantum: int
) -> None:
    done = guest(ALIASED.format(entry=entry, store=store), schedule=RoundRobin(quantum))
    expected = done.machine.memory.read_integer(0x31001, 1)
    assert expected in {2, 7}
    assert (done.register("rbx"), done.register("rcx")) == (1, expected)


# -- what memory hooks see -------------------------------------------------------------------------


def accesses(engine: Uc) -> list[tuple[str, int, int, int]]:
    """Return the list that will hold (kind, address, size, value) of each access."""
    seen: list[tuple[str, int, int, int]] = []
    names = {unicorn.UC_MEM_READ: "read", unicorn.UC_MEM_WRITE: "write"}

    def hook(_uc: Uc, kind: int, address: int, size: int, value: int, _data: object) -> None:
        seen.append((names[kind], address, size, value))

    engine.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, hook)
    return seen


def test_memory_hooks_see_physical_addresses_and_no_page_walks(
    raw_paged: Callable[..., Uc],
) -> None:
    engine = raw_paged("mov [0x30008], eax\nhlt", {0x30: 0x31007})
    seen = accesses(engine)
    engine.emu_start(0x1000, 0)
    assert seen == [("write", 0x31008, 4, 0)]
    assert engine.mem_read(0x13000 + 8 * 0x30, 1) == b"\x67"  # written, and not seen


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("mov eax, [0x3000]", [("read", 0x3000, 4, 0)]),
        ("movups xmm0, [0x3000]", [("read", 0x3000, 8, 0), ("read", 0x3008, 8, 0)]),
        ("lock inc dword ptr [0x3000]", [("read", 0x3000, 4, 0), ("write", 0x3000, 4, 6)]),
        (
            "mov edi, 0x3000\nmov ecx, 2\nmov al, 9\nrep stosb",
            [("write", 0x3000, 1, 9), ("write", 0x3001, 1, 9)],
        ),
    ],
)
def test_memory_hooks_report_accesses_in_their_way(
    raw: Callable[..., Uc], source: str, expected: list[tuple[str, int, int, int]]
) -> None:
    engine = raw(f"{source}\nhlt")
    engine.mem_write(0x3000, b"\x05")
    seen = accesses(engine)
    engine.emu_start(0x1000, 0)
    assert seen == expected


def test_memory_hooks_miss_writes_of_the_host(raw: Callable[..., Uc]) -> None:
    engine = raw()
    seen = accesses(engine)
    engine.mem_write(0x3000, b"\x05")
    engine.emu_start(0x1000, 0)
    assert seen == []


def protected_engine(engine: Uc) -> list[int]:
    """Allow stores that a page's protection forbids; return the list of their addresses."""
    seen: list[int] = []

    def hook(_uc: Uc, _kind: int, address: int, _size: int, _value: int, _data: object) -> bool:
        seen.append(address)
        return True

    engine.hook_add(unicorn.UC_HOOK_MEM_WRITE_PROT, hook)
    return seen


def test_page_protected_later_never_gets_its_store(raw: Callable[..., Uc]) -> None:
    engine = raw("mov byte ptr [0x3000], 7\nhlt")
    engine.mem_protect(0x3000, 0x1000, unicorn.UC_PROT_READ)
    seen = protected_engine(engine)
    engine.emu_start(0x1000, 0)
    assert seen == [0x3000]
    assert engine.mem_read(0x3000, 1) == b"\0"


def test_host_memory_mapped_without_write_access_takes_allowed_stores(
    raw: Callable[..., Uc], shared_ram: Ram
) -> None:
    engine = raw("mov eax, 0x400000\nmov byte ptr [rax], 7\nhlt")
    engine.mem_map_ptr(0x400000, 0x1000, unicorn.UC_PROT_READ, ctypes.addressof(shared_ram))
    seen = protected_engine(engine)
    engine.emu_start(0x1000, 0)
    assert (seen, shared_ram[0]) == ([0x400000], b"\x07")


@pytest.mark.parametrize(("begin", "expected"), [(0x400000, 1), (0x200000, 7)])
def test_exported_invalidation_counts_through_the_regions_in_the_order_of_mapping(
    raw: Callable[..., Uc], raw_library: ctypes.CDLL, begin: int, expected: int
) -> None:
    engine = raw()  # 2 MiB at 0, so that the next region begins at 2 MiB for the library
    engine.mem_map(0x400000, 0x1000)
    engine.mem_write(0x400000, bytes.fromhex("b801000000 f4"))
    engine.emu_start(0x400000, 0)
    engine.mem_write(0x400001, b"\x07")
    invalidate = raw_library.tb_invalidate_phys_range_x86_64
    invalidate.restype = None
    invalidate(engine._uch, ctypes.c_uint64(begin), ctypes.c_uint64(begin + 6))
    engine.emu_start(0x400000, 0)
    assert engine.reg_read(RAX) == expected


def test_machine_code_above_the_rom_stored_by_another_core_is_fresh(
    guest: Callable[..., Any],
) -> None:
    done = guest(CROSS.format(store="mov byte ptr [rdi], al"), cores=2)
    assert done.label("code") >= 0x100000
    assert done.result.outcome == "FINISHED"


def test_machine_rom_drops_stores(guest: Callable[..., Any]) -> None:
    done = guest("mov eax, 0xF0000\nmov byte ptr [rax], 7\nmov cl, [rax]\nmovzx ecx, cl")
    assert done.register("rcx") == 0xFF
    assert done.result.outcome == "FINISHED"


# -- MMIO ------------------------------------------------------------------------------------------


def test_mmio_callback_gets_8_bytes_in_halves_and_the_rip_of_the_block(
    raw: Callable[..., Uc],
) -> None:
    engine = raw("mov eax, 0x400000\nnop\nmov rcx, [rax]\nhlt")
    seen: list[tuple[int, int, int]] = []

    def read(uc: Uc, offset: int, size: int, _data: object) -> int:
        seen.append((offset, size, uc.reg_read(RIP)))
        return 0x11223344

    engine.mmio_map(0x400000, 0x1000, read, None, None, None)
    engine.emu_start(0x1000, 0)
    assert seen == [(0, 4, 0x1000), (4, 4, 0x1000)]
    assert engine.reg_read(x86.UC_X86_REG_RCX) == 0x1122334411223344


def test_unmapped_hook_that_refuses_stops_exactly_before_the_access(
    raw: Callable[..., Uc],
) -> None:
    engine = raw("mov eax, 0x400000\nnop\nmov rcx, [rax]\nhlt")
    engine.hook_add(unicorn.UC_HOOK_MEM_READ_UNMAPPED, lambda *_all: False)
    with pytest.raises(unicorn.UcError):
        engine.emu_start(0x1000, 0)
    assert engine.reg_read(RIP) == 0x1006
    assert engine.reg_read(x86.UC_X86_REG_RCX) == 0


@pytest.mark.parametrize("nops", [0, 1, 2, 10])
def test_machine_device_read_sees_the_time_of_its_own_instruction(
    guest: Callable[..., Any], nops: int
) -> None:
    padding = "nop\n" * nops
    done = guest(f"""
        mov r15d, 0xFEE00000
        mov dword ptr [r15 + 0xF0], 0x1FF
        mov dword ptr [r15 + 0x3E0], 0xB
        mov dword ptr [r15 + 0x380], 1000000
        mov eax, [r15 + 0x390]
        {padding}
        mov ebx, [r15 + 0x390]
        sub eax, ebx
        mov r8d, eax
    """)
    assert done.register("r8") == nops + 1


def test_machine_wide_device_access_gives_all_its_bytes(guest: Callable[..., Any]) -> None:
    done = guest("mov eax, 0x40000000\nmov rcx, [rax]\nmovups xmm0, [rax]\nmovq rdx, xmm0")
    assert done.register("rcx") == done.register("rdx") == 0xFFFF_FFFF_FFFF_FFFF


# -- turns, and saved state ------------------------------------------------------------------------


@pytest.mark.parametrize("quantum", [1, 2, 3, 1000])
def test_machine_locked_increments_of_all_cores_add_up(
    guest: Callable[..., Any], quantum: int
) -> None:
    done = guest(
        """
        mov ecx, 50
    again:
        lock inc dword ptr [0x3000]
        dec ecx
        jnz again
        lock inc dword ptr [0x3004]
    wait:
        pause
        cmp dword ptr [0x3004], 3
        jne wait
    """,
        cores=3,
        schedule=RoundRobin(quantum),
    )
    assert done.machine.memory.read_integer(0x3000, 4) == 150


def test_machine_unlocked_increments_of_two_cores_get_lost(guest: Callable[..., Any]) -> None:
    done = guest(
        """
        mov ecx, 50
    again:
        mov eax, [0x3000]
        inc eax
        mov [0x3000], eax
        dec ecx
        jnz again
        lock inc dword ptr [0x3004]
    wait:
        pause
        cmp dword ptr [0x3004], 2
        jne wait
    """,
        cores=2,
        schedule=RoundRobin(1),
    )
    assert 50 <= done.machine.memory.read_integer(0x3000, 4) < 100


def test_restored_cr3_keeps_the_old_mapping_until_the_tlb_is_flushed(
    raw_paged: Callable[..., Uc], raw_library: ctypes.CDLL
) -> None:
    engine = raw_paged("mov eax, [0x30000]\nhlt", {0x30: 0x31007})
    engine.mem_write(0x31000, b"\x01")
    engine.mem_write(0x32000, b"\x02")
    saved = engine.context_save()
    first = run(engine)
    engine.mem_write(0x13000 + 8 * 0x30, (0x32007).to_bytes(8, "little"))
    engine.context_restore(saved)
    without_flush = run(engine)
    flush_tlb(engine, raw_library)
    assert (first, without_flush, run(engine)) == (1, 1, 2)


def test_memory_snapshot_breaks_the_sharing(
    raw: Callable[..., Uc], raw_library: ctypes.CDLL, shared_ram: Ram
) -> None:
    engine = raw("mov dword ptr [0x3000], 77\nhlt", memory=ctypes.addressof(shared_ram))
    what = unicorn.UC_CTL_CONTEXT_CPU | unicorn.UC_CTL_CONTEXT_MEMORY
    command = unicorn.UC_CTL_CONTEXT_MODE | 1 << 26 | unicorn.UC_CTL_IO_WRITE << 30
    assert raw_library.uc_ctl(engine._uch, command, ctypes.c_int(what)) == 0
    saved = engine.context_save()
    engine.emu_start(0x1000, 0)
    assert saved is not None
    assert shared_ram[0x3000] == b"\0"
    assert engine.mem_read(0x3000, 1) == b"\x4d"


def test_machine_init_drops_cached_translations_of_addresses(guest: Callable[..., Any]) -> None:
    # Core 1 has linear 0x3000 mapped to 0x40000 before INIT; afterwards it is without paging.
    done = guest(
        """
        test edi, edi
        jnz other
        mov word ptr [0x3000], 0x55
        lea rsi, [rip + trampoline]
        mov rdi, 0x8000
        mov ecx, 16
        rep movsb
    ready:
        pause
        cmp dword ptr [0x2008], 1
        jne ready
        mov r15d, 0xFEE00000
        mov dword ptr [r15 + 0xF0], 0x1FF
        mov dword ptr [r15 + 0x310], 0x01000000
        mov dword ptr [r15 + 0x300], 0x4500
        mov dword ptr [r15 + 0x300], 0x4608
    wait:
        pause
        cmp dword ptr [0x2000], 0
        je wait
        jmp stop
    other:
        mov edi, 0x20000
        xor ecx, ecx
    fill:
        mov rdx, rcx
        shl rdx, 12
        or rdx, 3
        mov [rdi + rcx * 8], rdx
        inc ecx
        cmp ecx, 512
        jne fill
        mov qword ptr [0x20000 + 3 * 8], 0x40003
        mov qword ptr [0x1FB000], 0x20003
        mov rax, cr3
        mov cr3, rax
        mov word ptr [0x3000], 0xAA
        mov dword ptr [0x2008], 1
    spin:
        jmp spin
    trampoline:
    .code16
        mov ax, [0x3000]
        mov [0x2000], ax
        cli
        hlt
    .code64
    """,
        cores=2,
        schedule=RoundRobin(20_000),
        max_instructions=200_000,
    )
    assert done.machine.memory.read_integer(0x40000, 2) == 0xAA
    assert done.machine.memory.read_integer(0x2000, 2) == 0x55


def test_engine_can_be_opened_again_and_again() -> None:
    engines = [Uc(UC_ARCH_X86, UC_MODE_64) for _ in range(3)]
    assert len({engine._uch.value for engine in engines}) == 3
