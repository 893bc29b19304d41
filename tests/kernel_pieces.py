"""The pieces that random kernels are made of: a few instructions each, which raise what they like.

Registers: see `random_kernels`.
"""

import random
from collections.abc import Callable

SHARED = 0x20_8000
MOST_CORES = 8
PIC_VECTORS = range(0x20, 0x30)
APIC_VECTORS = range(0x32, 0x3F)
APIC_PAGE = 0xFEE0_0000


class Pieces:
    """Writes the pieces of one kernel."""

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
        return f"mov eax, {value}\nmov edx, {APIC_PAGE}\nmov [rdx + {register}], eax\n"

    def command(self, target: str | int, low: int) -> str:
        """Return code that sends an interrupt; `target` is an id or a register."""
        if self.is_x2apic:
            return f"mov edx, {target}\nmov eax, {low}\nmov ecx, 0x830\nwrmsr\n"
        return (
            f"mov eax, {target}\nshl eax, 24\nmov edx, {APIC_PAGE}\nmov [rdx + 0x310], eax\n"
            f"mov dword ptr [rdx + 0x300], {low}\n"
        )

    def timer(self) -> str:
        rng = self.rng
        vector = rng.choice(APIC_VECTORS)
        mode = rng.choice(["periodic", "periodic", "one-shot", "deadline"])
        if mode == "deadline":
            return self.apic(0x320, vector | 0x4_0000) + (
                f"rdtsc\nadd eax, {rng.choice([1, 7, 50, 400])}\n"
                "adc edx, 0\nmov ecx, 0x6E0\nwrmsr\n"
            )
        divide = self.apic(0x3E0, rng.choice([0, 1, 3, 11]))
        entry = self.apic(0x320, vector | (0x2_0000 if mode == "periodic" else 0))
        count = rng.choice([5, 40, 61, 150, 400, 1000])
        if mode == "periodic":
            count = max(count, 61)
        return divide + entry + self.apic(0x380, count)

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
            f"mov ecx, 20\n{wait}:\nmov eax, 1\n"
            f"xchg [0x208F40], eax\ntest eax, eax\njz {got}\npause\n"
            f"dec ecx\njnz {wait}\n{got}:\ninc dword ptr [0x208F44]\nmov dword ptr [0x208F40], 0\n"
        )

    def string(self) -> str:
        rng = self.rng
        count = rng.choice([0, 1, 2, 7, 33])
        set_up = (
            f"mov ecx, {count}\nlea rsi, [r11 + 0x400]\n"
            f"lea rdi, [r11 + {rng.choice([0x401, 0x600])}]\n"
        )
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
                "cli\nsti\nnop\n",
                "sti\ncli\n",
                "sti\nsti\nnop\n",
                "mov eax, 0x10\nmov ss, eax\nnop\n",
                "cli\nsti\npause\n",
                "cli\nsti\nint3\n",
                "sti\nmov eax, 0x10\nmov ss, eax\nint3\n",
                "pushfq\nor dword ptr [rsp], 0x200\npopfq\nnop\n",
                "cli\nsti\nud2_here: nop\n".replace("ud2_here", self.label()),
            ]
        )

    def step(self) -> str:
        return (
            f"mov byte ptr [r11 + 0xF0], {self.rng.randint(1, 5)}\n"
            "pushfq\nor dword ptr [rsp], 0x100\npopfq\nnop\nmov ecx, 2\nrep lodsb\nnop\nnop\n"
        )

    def fault(self) -> str:
        rng, on = self.rng, self.label()
        what = rng.choice(
            [
                "ud2",
                "xor ecx, ecx\ndiv ecx",
                "mov rax, 0x8000000000000000\nmov eax, [rax]",
                "mov eax, 0x1000\nmov ds, eax",
                "int 0x77",
                "mov ecx, 0x12345\nrdmsr",
                "mov eax, 0x80000008\nmov cr4, rax",
                "mov rcx, 0x7FFFFFFFF000\nmov [rcx], eax",
                "mov eax, [r11 + 0x800]\nud2",
                "int3\nud2",
                "mov rcx, 0x7FFFFFFFF000\njmp rcx",
                "mov rcx, 0x7FFFFFFFEFFC\nmov ecx, 6\nmov rsi, 0x7FFFFFFFEFFC\nrep lodsb",
            ]
        )
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
        return (
            f"lea r15, [rip + {(on := self.label())}]\n"
            f"and qword ptr [r8], ~1\ninvlpg [r9]\n{use}{on}:\n"
        )

    def flush(self) -> str:
        return "mov rax, cr3\nmov cr3, rax\n"

    def modify(self) -> str:
        """Code that changes itself, in front of and behind the end of a block."""
        rng, place, before = self.rng, self.label(), self.label()
        jump = rng.choice(["", "jmp {p}\n", "nop\n"]).format(p=place)
        code = f"inc byte ptr [{place} + 1]\n{jump}{place}:\nmov al, 7\nadd [r11 + 16], eax\n"
        if rng.random() < 0.3:
            code = (
                f"jmp {before}\n{place}:\nmov al, 9\njmp {before}b\n{before}:\n"
                f"inc byte ptr [{place} + 1]\njmp {place}\n{before}b:\n"
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
            choices += [
                (
                    f"mov eax, {APIC_PAGE}\n"
                    f"mov ecx, [rax + {rng.choice([0x20, 0x80, 0x390, 0x200, 0x100])}]\n"
                    "add [r11 + 32], ecx\n"
                ),
                f"mov eax, {APIC_PAGE}\nadd dword ptr [rax + 0x80], 0\n",
            ]
        return rng.choice(choices)

    def priority(self) -> str:
        rng = self.rng
        level = rng.choice([0, 1, 2, 3])
        return rng.choice(
            [f"mov eax, {level}\nmov cr8, rax\n", "mov rax, cr8\n", "xor eax, eax\nmov cr8, rax\n"]
        )

    def ipi(self) -> str:
        rng = self.rng
        vector = rng.choice(APIC_VECTORS)
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
        between = rng.choice(["", "nop\n", "pause\n"])
        return (
            f"cmp dword ptr [0x208FE0], 2\nja {on}\ncmp r10d, {other}\n"
            f"je {on}\nlock inc dword ptr [0x208FE0]\n"
            f"{self.command(other, 0x4500)}{between}{start}{on}:\n"
        )

    def pit(self) -> str:
        mode = self.rng.choice([0x34, 0x36, 0x30])
        count = self.rng.choice([1, 2, 5, 20, 120])
        return (
            f"mov al, {mode}\nout 0x43, al\nmov al, {count}\n"
            "out 0x40, al\nmov al, 0\nout 0x40, al\n"
        )

    def redirect(self, pin: int = 2) -> str:
        rng = self.rng
        low = rng.choice(APIC_VECTORS) | rng.choice([0, 0, 0x8000, 0x100, 0x1_0000, 0x400])
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


PIECES: tuple[Callable[[Pieces], str], ...] = (
    *(Pieces.alu, Pieces.alu, Pieces.alu, Pieces.locked, Pieces.locked, Pieces.spinlock),
    *(Pieces.string, Pieces.string, Pieces.time, Pieces.pause, Pieces.halt, Pieces.shadow),
    *(Pieces.shadow, Pieces.step, Pieces.fault, Pieces.fault, Pieces.trap, Pieces.remap),
    *(Pieces.flush, Pieces.modify, Pieces.device, Pieces.device, Pieces.priority),
    *(Pieces.timer, Pieces.ipi, Pieces.ipi, Pieces.restart, Pieces.pit, Pieces.redirect),
    *(Pieces.user, Pieces.vector_unit),
)
