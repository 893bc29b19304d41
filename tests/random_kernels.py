"""Random kernels for several cores: valid code with handlers, timers, IPIs, faults and devices.

Each kernel begins on every core in 64-bit mode, sets up descriptor tables, handlers and its local
APIC, and then runs bodies made of random pieces. Whatever a piece raises comes back: R15 is where
to go on behind a fault. INIT and SIPI send a core through real mode to the same beginning.

    R10 core id   R11 data of the core   R8 its page-directory entry, R9 what that maps
    R12-R14 the way back from ring 3     RBP rounds left
"""

from dataclasses import dataclass

from kernel_pieces import APIC_PAGE, MOST_CORES, PIC_VECTORS, PIECES, Pieces

MEMORY_BYTES = 4 << 20
_ALIAS = 0x8000_0000
_TABLES = MEMORY_BYTES - 7 * 4096
_ALIAS_ENTRIES = _TABLES + 0x4000
_VECTORS = 64
_WITH_CODE = {8, 10, 11, 12, 13, 17}


class _Kernel(Pieces):
    """Writes the source of one kernel."""

    # -- what stands around ------------------------------------------------------------------

    def source(self) -> str:
        stubs = "".join(f".balign 16\njmp h{vector}\n" for vector in range(_VECTORS))
        bodies = self.rng.choice([1, 2, 3])
        choose = "".join(f"cmp r10d, {core}\nje body{core % bodies}\n" for core in range(8))
        return "\n".join(
            [
                "_start:\njmp enter\n" + stubs,
                _ENTER.format(alias=_ALIAS, entries=_ALIAS_ENTRIES, tables=_TABLES),
                self._set_up_apic(),
                self._set_up_chips(),
                "chips_done:\n" + _BARRIER.format(cores=self.cores) + choose,
                *(self._body(number) for number in range(bodies)),
                *(self._handler(vector) for vector in range(_VECTORS)),
                _COMMON.format(alias=_ALIAS, entries=_ALIAS_ENTRIES, cores=MOST_CORES),
                _TRAMPOLINE.format(tables=_TABLES),
                self._tables(),
            ]
        )

    def _set_up_apic(self) -> str:
        rng = self.rng
        switch = "mov ecx, 0x1B\nrdmsr\nor eax, 0xC00\nwrmsr\n" if self.is_x2apic else ""
        timer = ""
        if rng.random() < 0.8:
            timer = self.timer()
        task = self.apic(0x80, 0) + self.apic(0xF0, 0x13F)
        flat = "" if self.is_x2apic else "mov ecx, r10d\nmov eax, 1\nshl eax, cl\nshl eax, 24\n"
        if flat:
            flat += f"mov edx, {APIC_PAGE}\nmov [rdx + 0xD0], eax\n"
        return switch + task + flat + timer

    def _set_up_chips(self) -> str:
        """Return what core 0 does once: 8259A, IOAPIC, 8254, COM1."""
        rng = self.rng
        code = "cmp dword ptr [0x208FF0], 0\njne chips_done\ncmp r10d, 0\njne chips_done\n"
        code += "mov dword ptr [0x208FF0], 1\n"
        for port, value in (
            *((0x20, 0x11), (0xA0, 0x11), (0x21, 0x20), (0xA1, 0x28), (0x21, 4), (0xA1, 2)),
            *((0x21, 1), (0xA1, 1), (0x21, rng.choice([0xFF, 0xFE, 0xEE, 0xEA])), (0xA1, 0xFF)),
        ):
            code += f"mov al, {value}\nout {port}, al\n"
        if not self.is_x2apic:
            code += f"mov edx, {APIC_PAGE}\nmov dword ptr [rdx + 0x350], 0x700\n"
        if rng.random() < 0.6:
            code += self.pit()
        for pin in (2, 4):
            if rng.random() < 0.5:
                code += self.redirect(pin)
        if rng.random() < 0.4:
            code += f"mov dx, 0x3F9\nmov al, {rng.choice([1, 2, 3])}\nout dx, al\n"
            code += "mov dx, 0x3FC\nmov al, 0xB\nout dx, al\n"
        return code

    def _handler(self, vector: int) -> str:
        rng, name = self.rng, f"h{vector}:\n"
        if vector < 32:
            return name + self._exception_handler(vector)
        if vector == 0x30:
            return name + "mov rsp, r14\njmp r12\n"
        if vector in {0x31, 0x3F}:
            return name + "inc dword ptr [r11 + 0x100]\niretq\n"
        save = "push rax\npush rcx\npush rdx\n"
        inner = rng.choice(["", "", "nop\n", "sti\nnop\n", "mov ecx, 5\n.Lx: dec ecx\njnz .Lx\n"])
        inner = inner.replace(".Lx", f".Lh{vector}")
        if rng.random() < 0.1:
            inner += self.ipi()
        if rng.random() < 0.1:
            inner += "int3\n"
        end = self.apic(0xB0, 0)
        if vector in PIC_VECTORS:
            end = "mov al, 0x20\nout 0x20, al\n" + ("out 0xA0, al\n" if vector >= 0x28 else "")
        order = [inner, end] if rng.random() < 0.6 else [end, inner]
        off = "cli\n" if rng.random() < 0.5 else ""
        restore = "pop rdx\npop rcx\npop rax\niretq\n"
        return (
            f"{name}inc dword ptr [r11 + {0x100 + 4 * vector}]\n"
            f"{save}{''.join(order)}{off}{restore}"
        )

    def _exception_handler(self, vector: int) -> str:
        if vector == 14:
            return "jmp page_fault\n"
        if vector == 1:
            return (
                "dec byte ptr [r11 + 0xF0]\njg .Lstep\n"
                "and qword ptr [rsp + 16], ~0x100\n.Lstep: iretq\n"
            )
        if vector == 3:
            return self.rng.choice(
                ["iretq\n", "inc dword ptr [r11 + 12]\niretq\n", "pause\niretq\n"]
            )
        if vector == 4:
            return "iretq\n"
        if vector == 2:
            return (
                "inc dword ptr [0x208200]\n"
                + self.rng.choice(["", "nop\nnop\n", "int3\n"])
                + "iretq\n"
            )
        code = "add rsp, 8\n" if vector in _WITH_CODE else ""
        return f"{code}mov [rsp], r15\niretq\n"

    def _tables(self) -> str:
        gdt = [0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0x00CFF3000000FFFF, 0x00AFFB000000FFFF]
        gdt.append(0x00CF9B000000FFFF)
        for core in range(MOST_CORES):
            base = 0x20_0000 + 256 * core
            gdt += [0x67 | (base & 0xFF_FFFF) << 16 | 0x89 << 40, 0]
        idt = []
        for vector in range(_VECTORS):
            at = 0x10_0000 + 16 * (vector + 1)
            kind = 0xF if self.rng.random() < 0.3 and vector != 2 else 0xE
            dpl = 3 if vector in {3, 4, 0x30, 0x31} else 0
            stack = 1 if vector in {2, 8} else 0
            flags = 0x80 | dpl << 5 | kind
            idt += [(at & 0xFFFF) | 8 << 16 | stack << 32 | flags << 40 | (at >> 16) << 48, 0]
        words = ", ".join(map(hex, gdt))
        lines = "\n".join(
            f".quad {low:#x}, {high:#x}" for low, high in zip(idt[::2], idt[1::2], strict=True)
        )
        return (
            f".balign 4096\ngdt: .quad {words}\ngdt_end:\n.balign 16\nidt:\n{lines}\n"
            "gdt_pointer: .short gdt_end - gdt - 1\n.quad gdt\n"
            f"idt_pointer: .short {16 * _VECTORS - 1}\n.quad idt\n"
        )

    # -- bodies ------------------------------------------------------------------------------

    def _body(self, number: int) -> str:
        rng = self.rng
        chosen = [rng.choice(PIECES) for _ in range(rng.randint(4, 14))]
        if number == 0 and rng.random() < 0.7:  # where all wait for ever a run takes long to end
            chosen = [Pieces.pause if each is Pieces.halt else each for each in chosen]
        pieces = "".join(piece(self) for piece in chosen)
        begin = "sti\n" if rng.random() < 0.8 else ""
        rounds = rng.choice([3, 10, 30, 100])
        end = self.label()
        return (
            f"body{number}:\n{begin}mov ebp, {rounds}\n"
            f"again{number}:\nlea r15, [rip + again{number}]\n{pieces}"
            f"dec ebp\njnz again{number}\n{end}:\n"
            f"lea r15, [rip + {end}]\n{self._ending(number, end)}"
        )

    def _ending(self, body: int, again: str) -> str:
        rng = self.rng
        forever = rng.choice(
            [f"sti\nhlt\njmp {again}\n", f"pause\njmp {again}\n", f"cli\nhlt\njmp {again}\n"]
        )
        if body == 0 and rng.random() < 0.9:
            forever = f"inc dword ptr [0x208F80]\npause\njmp {again}\n"
        if rng.random() < 0.4:
            skip = self.label()
            done = f"mov eax, {rng.choice([0, 0, 3])}\nout 0xF4, al\n"
            return (
                "lock inc dword ptr [0x208F00]\ncmp dword ptr [0x208F00], 2\n"
                f"jb {skip}\n{done}{skip}:\n{forever}"
            )
        if rng.random() < 0.03:
            return "sub rsp, 16\nmov qword ptr [rsp], 0\nlidt [rsp]\nud2\n"
        return forever


_ENTER = """
.balign 16
enter:
mov r10d, edi
mov esp, r10d
inc esp
shl esp, 14
add esp, 0x2C0000
lgdt [gdt_pointer]
lidt [idt_pointer]
mov eax, r10d
shl eax, 4
mov ebx, gdt
add ebx, eax
and byte ptr [rbx + 0x35], 0xFD
add eax, 0x30
mov ecx, r10d
shl ecx, 8
add ecx, 0x200000
mov edx, r10d
inc edx
shl edx, 14
add edx, 0x220000
mov [rcx + 4], rdx
mov edx, r10d
inc edx
shl edx, 13
add edx, 0x260000
mov [rcx + 0x24], rdx
ltr ax
mov r11d, r10d
shl r11d, 12
add r11d, 0x210000
mov r8d, {entries}
lea r8, [r8 + r10 * 8]
mov qword ptr [r8], 0x200083
mov r9d, r10d
shl r9d, 21
mov eax, {alias}
add r9, rax
mov eax, {tables}
or byte ptr [rax], 4
or byte ptr [rax + 0x1000], 4
or byte ptr [rax + 0x2000], 4
or byte ptr [rax + 0x2008], 4
mov cr3, rax
lea r15, [rip + body0]
mov r12, r15
mov r14, rsp
mov esi, trampoline
mov edi, 0x8000
mov ecx, trampoline_end - trampoline
rep movsb
"""

_BARRIER = """
lock inc dword ptr [0x208FC0]
.Lothers:
pause
cmp dword ptr [0x208FC0], {cores}
jb .Lothers
"""

_COMMON = """
page_fault:
push rax
push rdx
mov rax, cr2
mov edx, {alias}
sub rax, rdx
shr rax, 21
cmp rax, {cores}
jae page_fault_skip
lea rax, [rax * 8 + {entries}]
or qword ptr [rax], 1
pop rdx
pop rax
add rsp, 8
iretq
page_fault_skip:
pop rdx
pop rax
add rsp, 8
mov [rsp], r15
iretq
"""

_TRAMPOLINE = """
.balign 16
.code16
trampoline:
cli
mov ax, cs
mov ds, ax
.byte 0x66, 0x0F, 0x01, 0x16
.short trampoline_pointer - trampoline
mov eax, cr0
or eax, 1
mov cr0, eax
.byte 0x66, 0xEA
.long restart32
.short 0x28
trampoline_pointer:
.short gdt_end - gdt - 1
.long gdt
trampoline_end:
.code32
restart32:
mov eax, 0x10
mov ds, ax
mov es, ax
mov ss, ax
mov eax, 0x620
mov cr4, eax
mov eax, {tables}
mov cr3, eax
mov ecx, 0xC0000080
rdmsr
or eax, 0x100
wrmsr
mov eax, 0x80010033
mov cr0, eax
.byte 0xEA
.long restart64
.short 8
.code64
restart64:
mov eax, 1
cpuid
shr ebx, 24
mov edi, ebx
jmp enter
"""


@dataclass(frozen=True, slots=True)
class RandomKernel:
    """The source of a kernel for `boot="long"`, MEMORY_BYTES of RAM and so many cores."""

    cores: int
    source: str


def make(seed: int) -> RandomKernel:
    """Return the kernel of a seed."""
    kernel = _Kernel(seed)
    return RandomKernel(kernel.cores, kernel.source())
