"""Random kernels for several cores: valid code with handlers, timers, IPIs, faults and devices.

Each kernel begins on every core in 64-bit mode, sets up descriptor tables, handlers and its local
APIC, and then runs bodies made of random pieces. Whatever a piece raises comes back: R15 is where
to go on behind a fault. INIT and SIPI send a core through real mode to the same beginning.

    R10 core id   R11 data of the core   R8 its page-directory entry, R9 what that maps
    R12-R14 the way back from ring 3     RBP rounds left
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

MEMORY_BYTES = 4 << 20
SHARED = 0x20_8000
_ALIAS = 0x8000_0000
_TABLES = MEMORY_BYTES - 7 * 4096
_ALIAS_ENTRIES = _TABLES + 0x4000
MOST_CORES = 8
_VECTORS = 64
_PIC_VECTORS = range(0x20, 0x30)
_APIC_VECTORS = range(0x32, 0x3F)
_WITH_CODE = {8, 10, 11, 12, 13, 17}
_APIC_PAGE = 0xFEE0_0000


class _Kernel:
    """Writes the source of one kernel."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.cores = self.rng.randint(1, MOST_CORES)
        self.is_x2apic = self.rng.random() < 0.25
        self.has_restarts = self.rng.random() < 0.3
        self._labels = 0

    def label(self) -> str:
        self._labels += 1
        return f"l{self._labels}"

    def apic(self, register: int, value: int | str) -> str:
        """Return code that writes an APIC register; clobbers rax, rcx, rdx."""
        if self.is_x2apic:
            number = 0x800 + (register >> 4)
            return f"mov ecx, {number}\nmov eax, {value}\nxor edx, edx\nwrmsr\n"
        return f"mov eax, {value}\nmov edx, {_APIC_PAGE}\nmov [rdx + {register}], eax\n"

    def command(self, target: str | int, low: int) -> str:
        """Return code that sends an interrupt; `target` is an id or a register."""
        if self.is_x2apic:
            return f"mov edx, {target}\nmov eax, {low}\nmov ecx, 0x830\nwrmsr\n"
        return (
            f"mov eax, {target}\nshl eax, 24\nmov edx, {_APIC_PAGE}\nmov [rdx + 0x310], eax\n"
            f"mov dword ptr [rdx + 0x300], {low}\n"
        )

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
            timer = self._timer()
        task = self.apic(0x80, 0) + self.apic(0xF0, 0x13F)
        flat = "" if self.is_x2apic else "mov ecx, r10d\nmov eax, 1\nshl eax, cl\nshl eax, 24\n"
        if flat:
            flat += f"mov edx, {_APIC_PAGE}\nmov [rdx + 0xD0], eax\n"
        return switch + task + flat + timer

    def _timer(self) -> str:
        rng = self.rng
        vector = rng.choice(_APIC_VECTORS)
        mode = rng.choice(["periodic", "periodic", "one-shot", "deadline"])
        if mode == "deadline":
            return self.apic(0x320, vector | 0x4_0000) + (
                f"rdtsc\nadd eax, {rng.choice([1, 7, 50, 400])}\nadc edx, 0\n"
                "mov ecx, 0x6E0\nwrmsr\n"
            )
        divide = self.apic(0x3E0, rng.choice([0, 1, 3, 11]))
        entry = self.apic(0x320, vector | (0x2_0000 if mode == "periodic" else 0))
        count = rng.choice([5, 40, 61, 150, 400, 1000])
        if mode == "periodic":
            count = max(count, 61)
        return divide + entry + self.apic(0x380, count)

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
            code += f"mov edx, {_APIC_PAGE}\nmov dword ptr [rdx + 0x350], 0x700\n"
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
        if vector in _PIC_VECTORS:
            end = "mov al, 0x20\nout 0x20, al\n" + ("out 0xA0, al\n" if vector >= 0x28 else "")
        order = [inner, end] if rng.random() < 0.6 else [end, inner]
        off = "cli\n" if rng.random() < 0.5 else ""
        restore = "pop rdx\npop rcx\npop rax\niretq\n"
        count = f"inc dword ptr [r11 + {0x100 + 4 * vector}]\n"
        return f"{name}{count}{save}{''.join(order)}{off}{restore}"

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
        chosen = [rng.choice(_PIECES) for _ in range(rng.randint(4, 14))]
        if number == 0 and rng.random() < 0.7:  # where all wait for ever a run takes long to end
            chosen = [_Kernel.pause if each is _Kernel.halt else each for each in chosen]
        pieces = "".join(piece(self) for piece in chosen)
        begin = "sti\n" if rng.random() < 0.8 else ""
        rounds = rng.choice([3, 10, 30, 100])
        end = self.label()
        return (
            f"body{number}:\n{begin}mov ebp, {rounds}\n"
            f"again{number}:\nlea r15, [rip + again{number}]\n{pieces}"
            f"dec ebp\njnz again{number}\n{end}:\nlea r15, [rip + {end}]\n"
            f"{self._ending(number, end)}"
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

    def alu(self) -> str:
        rng = self.rng
        lines = [
            f"mov eax, {rng.getrandbits(32)}",
            f"add [r11 + {8 * rng.randrange(16)}], rax",
            f"imul rbx, rax, {rng.randrange(1, 99)}",
            f"rol rdx, {rng.randrange(1, 63)}",
            f"mov rsi, [r11 + {8 * rng.randrange(16)}]",
            "xor rdi, rsi",
            "adc rcx, rdx",
            "push rax\npop rbx",
            f"mov [r9 + {0x10000 + 8 * rng.randrange(64)}], rcx",
        ]
        return "\n".join(rng.sample(lines, rng.randint(2, 6))) + "\n"

    def locked(self) -> str:
        at = SHARED + 8 * self.rng.randrange(8)
        return self.rng.choice(
            [
                f"mov eax, 3\nlock xadd [{at}], eax\n",
                f"mov eax, [{at}]\nlea ecx, [rax + 5]\nlock cmpxchg [{at}], ecx\n",
                f"lock inc dword ptr [{at}]\nlock bts dword ptr [{at}], 5\n",
                f"mov eax, r10d\nxchg [{at}], eax\n",
            ]
        )

    def spinlock(self) -> str:
        wait, got = self.label(), self.label()
        return (
            f"mov ecx, 20\n{wait}:\nmov eax, 1\nxchg [0x208F40], eax\n"
            f"test eax, eax\njz {got}\npause\n"
            f"dec ecx\njnz {wait}\n{got}:\ninc dword ptr [0x208F44]\nmov dword ptr [0x208F40], 0\n"
        )

    def string(self) -> str:
        rng = self.rng
        count = rng.choice([0, 1, 2, 7, 33])
        target = rng.choice([0x401, 0x600])
        set_up = f"mov ecx, {count}\nlea rsi, [r11 + 0x400]\nlea rdi, [r11 + {target}]\n"
        what = rng.choice(
            ["rep movsb", "rep stosq", "rep lodsb", "repe cmpsb", "repne scasb", "rep movsd"]
        )
        if rng.random() < 0.2:
            return f"{set_up}std\n{what}\ncld\n"
        return f"{set_up}{what}\n"

    def time(self) -> str:
        return self.rng.choice(
            [
                "rdtsc\nxor [r11], eax\n",
                "xor eax, eax\ncpuid\nadd [r11 + 8], ebx\n",
                "rdtsc\nshl rdx, 32\n",
            ]
        )

    def pause(self) -> str:
        return "pause\n" * self.rng.randint(1, 3)

    def halt(self) -> str:
        return self.rng.choice(["sti\nhlt\n", "sti\nhlt\ncli\n", "sti\nnop\nhlt\n"])

    def shadow(self) -> str:
        return self.rng.choice(
            [
                "cli\nsti\nnop\n", "sti\ncli\n", "sti\nsti\nnop\n",
                "mov eax, 0x10\nmov ss, eax\nnop\n",
                "cli\nsti\npause\n", "cli\nsti\nint3\n", "sti\nmov eax, 0x10\nmov ss, eax\nint3\n",
                "pushfq\nor dword ptr [rsp], 0x200\npopfq\nnop\n",
                f"cli\nsti\n{self.label()}: nop\n",
            ]
        )  # fmt: skip

    def step(self) -> str:
        return (
            f"mov byte ptr [r11 + 0xF0], {self.rng.randint(1, 5)}\n"
            "pushfq\nor dword ptr [rsp], 0x100\npopfq\nnop\nmov ecx, 2\nrep lodsb\nnop\nnop\n"
        )

    def fault(self) -> str:
        rng, on = self.rng, self.label()
        what = rng.choice(
            [
                "ud2", "xor ecx, ecx\ndiv ecx", "mov rax, 0x8000000000000000\nmov eax, [rax]",
                "mov eax, 0x1000\nmov ds, eax", "int 0x77", "mov ecx, 0x12345\nrdmsr",
                "mov eax, 0x80000008\nmov cr4, rax", "mov rcx, 0x7FFFFFFFF000\nmov [rcx], eax",
                "mov eax, [r11 + 0x800]\nud2", "int3\nud2", "mov rcx, 0x7FFFFFFFF000\njmp rcx",
                "mov rcx, 0x7FFFFFFFEFFC\nmov ecx, 6\nmov rsi, 0x7FFFFFFFEFFC\nrep lodsb",
            ]
        )  # fmt: skip
        return f"lea r15, [rip + {on}]\n{what}\n{on}:\n"

    def trap(self) -> str:
        return self.rng.choice(["int3\n", "int 0x31\n", "int 0x31\nint3\n"])

    def remap(self) -> str:
        use = self.rng.choice(
            [
                "mov eax, [r9 + 0x10008]\n",
                "inc dword ptr [r9 + 0x10010]\n",
                "lock inc dword ptr [r9 + 0x10010]\n",
                "mov ecx, 9\nlea rdi, [r9 + 0x10100]\nrep stosd\n",
                "push qword ptr [r9 + 0x10020]\npop rax\n",
            ]
        )
        on = self.label()
        return f"lea r15, [rip + {on}]\nand qword ptr [r8], ~1\ninvlpg [r9]\n{use}{on}:\n"

    def flush(self) -> str:
        return "mov rax, cr3\nmov cr3, rax\n"

    def modify(self) -> str:
        """Code that changes itself, in front of and behind the end of a block."""
        rng, place, before = self.rng, self.label(), self.label()
        jump = rng.choice(["", "jmp {p}\n", "nop\n"]).format(p=place)
        code = f"inc byte ptr [{place} + 1]\n{jump}{place}:\nmov al, 7\nadd [r11 + 16], eax\n"
        if rng.random() < 0.3:
            code = (
                f"jmp {before}\n{place}:\nmov al, 9\njmp {before}b\n"
                f"{before}:\ninc byte ptr [{place} + 1]\njmp {place}\n{before}b:\n"
            )
        return code

    def device(self) -> str:
        rng = self.rng
        choices = [
            "mov eax, 0xFEC00000\nmov dword ptr [rax], 1\nmov ecx, [rax + 0x10]\n",
            "mov eax, 0xFD000000\nmov ecx, [rax]\nmov [rax], ecx\n",
            "mov al, 0\nout 0x70, al\nin al, 0x71\n",
            f"mov al, {rng.randrange(32, 127)}\nout 0xE9, al\n",
            f"mov dx, 0x3F8\nmov al, {rng.randrange(32, 127)}\nout dx, al\n",
            "mov dx, 0x3FD\nin al, dx\ntest al, 1\nmov dx, 0x3F8\nin al, dx\n",
            "in al, 0x40\nin al, 0x40\nxor [r11 + 24], al\n",
            "mov al, 0xA\nout 0x20, al\nin al, 0x20\n",
            "mov dx, 0x3FA\nin al, dx\n",
            "mov edi, 0xFD000000\nmov ecx, 3\nlea rsi, [r11]\nrep movsb\n",
        ]
        if not self.is_x2apic:
            register = rng.choice([0x20, 0x80, 0x390, 0x200, 0x100])
            choices += [
                f"mov eax, {_APIC_PAGE}\nmov ecx, [rax + {register}]\nadd [r11 + 32], ecx\n",
                f"mov eax, {_APIC_PAGE}\nadd dword ptr [rax + 0x80], 0\n",
            ]
        return rng.choice(choices)

    def priority(self) -> str:
        rng = self.rng
        level = rng.choice([0, 1, 2, 3])
        return rng.choice(
            [f"mov eax, {level}\nmov cr8, rax\n", "mov rax, cr8\n", "xor eax, eax\nmov cr8, rax\n"]
        )

    def timer(self) -> str:
        return self._timer()

    def ipi(self) -> str:
        rng = self.rng
        vector = rng.choice(_APIC_VECTORS)
        other = rng.randrange(self.cores)
        return rng.choice(
            [
                self.command(other, 0x4000 | vector),
                self.command("r10d", 0x4000 | vector),
                self.command(0, 0x4_4000 | vector),
                self.command(0, 0x8_4000 | vector),
                self.command(0, 0xC_4000 | vector),
                self.command(other, 0x4400),
                self.command("r10d", 0x4400),
                self.command(0, 0xC_4400),
                self.command(0x0F if not self.is_x2apic else 3, 0x4900 | vector),
            ]
        )

    def restart(self) -> str:
        """INIT and SIPI for another core, at most twice in all."""
        rng, on = self.rng, self.label()
        if not self.has_restarts:
            return self.ipi()
        other = rng.randrange(self.cores)
        start = self.command(other, 0x4608)
        return (
            f"cmp dword ptr [0x208FE0], 2\nja {on}\ncmp r10d, {other}\nje {on}\n"
            f"lock inc dword ptr [0x208FE0]\n{self.command(other, 0x4500)}"
            f"{rng.choice(['', 'nop' + chr(10), 'pause' + chr(10)])}{start}{on}:\n"
        )

    def pit(self) -> str:
        mode = self.rng.choice([0x34, 0x36, 0x30])
        count = self.rng.choice([1, 2, 5, 20, 120])
        return (
            f"mov al, {mode}\nout 0x43, al\nmov al, {count}\nout 0x40, al\n"
            "mov al, 0\nout 0x40, al\n"
        )

    def redirect(self, pin: int = 2) -> str:
        rng = self.rng
        low = rng.choice(_APIC_VECTORS) | rng.choice([0, 0, 0x8000, 0x100, 0x1_0000, 0x400])
        return (
            f"mov eax, 0xFEC00000\nmov dword ptr [rax], {0x11 + 2 * pin}\n"
            f"mov dword ptr [rax + 0x10], {rng.randrange(4) << 24}\n"
            f"mov dword ptr [rax], {0x10 + 2 * pin}\nmov dword ptr [rax + 0x10], {low}\n"
        )

    def user(self) -> str:
        """Ring 3 and back, by INT or by a fault."""
        rng, code, out, back = self.rng, self.label(), self.label(), self.label()
        inside = rng.choice(
            [
                "nop\n",
                "pause\n",
                "hlt\n",
                "int3\n",
                "inc dword ptr [r11]\n",
                "cli\n",
                "mov eax, 0xFEE00020\nmov eax, [rax]\n",
            ]
        )
        inside += rng.choice(
            ["", "mov ecx, 12\n.Lu: dec ecx\njnz .Lu\n", "ud2\n", "int 0x31\n"]
        ).replace(".Lu", self.label())
        return (
            f"lea r12, [rip + {back}]\nmov r14, rsp\nlea r15, [rip + {out}]\n"
            "mov eax, r10d\nshl eax, 12\nadd eax, 0x281000\n"
            f"push 0x1B\npush rax\npush 0x{rng.choice(['202', '2', '202'])}\npush 0x23\n"
            f"lea rax, [rip + {code}]\npush rax\niretq\n"
            f"{code}:\n{inside}{out}:\nint 0x30\n{back}:\n"
            f"{rng.choice(['sti', 'sti', 'nop'])}\n"
        )

    def vector_unit(self) -> str:
        return self.rng.choice(
            [
                "movq xmm0, rax\npaddd xmm1, xmm0\nmovdqu [r11 + 0x300], xmm1\n",
                "fldpi\nfstp qword ptr [r11 + 0x320]\n",
                "movdqu xmm2, [r11 + 0x2F9]\npxor xmm2, xmm1\n",
            ]
        )


_PIECES: tuple[Callable[[_Kernel], str], ...] = (
    *(_Kernel.alu, _Kernel.alu, _Kernel.alu, _Kernel.locked, _Kernel.locked, _Kernel.spinlock),
    *(_Kernel.string, _Kernel.string, _Kernel.time, _Kernel.pause, _Kernel.halt, _Kernel.shadow),
    *(_Kernel.shadow, _Kernel.step, _Kernel.fault, _Kernel.fault, _Kernel.trap, _Kernel.remap),
    *(_Kernel.flush, _Kernel.modify, _Kernel.device, _Kernel.device, _Kernel.priority),
    *(_Kernel.timer, _Kernel.ipi, _Kernel.ipi, _Kernel.restart, _Kernel.pit, _Kernel.redirect),
    *(_Kernel.user, _Kernel.vector_unit),
)

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
