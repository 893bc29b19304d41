"""Random scenes: few instructions that meet in few bytes, with interrupts where a kind has them."""

import random

from tiny_scenes import WORDS, Scene

KINDS = (
    "plain",
    "locked",
    "waiting",
    "retrying",
    "interrupts",
    "software",
    "halting",
    "nested",
    "classes",
    "mixed",
    "opaque",
    "priorities",
)
_WITH_INTERRUPTS = {"interrupts", "halting", "nested", "classes", "mixed", "opaque", "priorities"}
_BY_INT = {0x42, 0x43}
_SIZES = {1: "byte", 2: "word", 4: "dword", 8: "qword"}
_NAMES = {
    "rax": {1: "al", 2: "ax", 4: "eax", 8: "rax"},
    "rbx": {1: "bl", 2: "bx", 4: "ebx", 8: "rbx"},
    "rcx": {1: "cl", 2: "cx", 4: "ecx", 8: "rcx"},
    "rdx": {1: "dl", 2: "dx", 4: "edx", 8: "rdx"},
    "rsi": {1: "sil", 2: "si", 4: "esi", 8: "rsi"},
}
END_OF_INTERRUPT = "mov dword ptr [r15 + 0xB0], 0"


class _Writer:
    """Writes one scene."""

    def __init__(self, kind: str, seed: int) -> None:
        self.rng = random.Random(f"{kind} {seed}")
        self.kind = kind
        self.cores = 2 if kind in _WITH_INTERRUPTS or self.rng.random() < 0.7 else 3
        self.labels = 0
        self.other = 0x51 if kind in {"classes", "priorities"} else 0x41

    def scene(self) -> Scene:
        rng = self.rng
        most = 5 if self.cores == 2 else 3
        most = 3 if self.kind in _WITH_INTERRUPTS else most
        bodies = [self.body(rng.randint(2, most), core) for core in range(self.cores)]
        handlers = {vector: self.handler(vector) for vector in (0x40, self.other, 0x42, 0x43)}
        flags = frozenset(
            core
            for core in range(self.cores)
            if self.kind in _WITH_INTERRUPTS and rng.random() < 0.7
        )
        return Scene(bodies, handlers, flags)

    def body(self, count: int, core: int) -> str:
        pieces = {
            "plain": [self.load, self.load, self.store, self.store, self.skip],
            "locked": [self.load, self.store, self.locked, self.locked, self.skip],
            "waiting": [self.load, self.store, self.store, self.locked, self.loop],
            "retrying": [self.load, self.store, self.loop, self.retry],
            "interrupts": [self.load, self.store, self.send, self.flag],
            "software": [self.load, self.store, self.software, self.software],
            "halting": [self.load, self.store, self.send, self.halt, self.flag],
            "nested": [self.load, self.store, self.send, self.send, self.flag],
            "classes": [self.load, self.store, self.send, self.send, self.flag],
            "opaque": [self.load, self.store, self.send, self.flag, self.count, self.loop],
            "priorities": [self.load, self.store, self.send, self.flag, self.priority],
            "mixed": [
                *(self.load, self.store, self.send, self.flag, self.loop),
                *(self.locked, self.software, self.halt),
            ],
        }[self.kind]
        chosen = [self.rng.choice(pieces)() for _ in range(count)]
        if core == 0 and self.kind in _WITH_INTERRUPTS and not any("0x300]" in c for c in chosen):
            chosen.insert(self.rng.randint(0, count), self.send())
        return "\n".join(chosen)

    def place(self, size: int | None = None) -> tuple[str, int]:
        rng = self.rng
        size = size or rng.choice([1, 2, 4, 4, 4, 8])
        offset = rng.choice([0, 0, 8, 8, rng.randrange(0, 12)])
        return f"{_SIZES[size]} ptr [{WORDS + offset:#x}]", size

    def register(self, size: int) -> str:
        return _NAMES[self.rng.choice(list(_NAMES))][size]

    def label(self) -> str:
        self.labels += 1
        return f"label_{self.labels}"

    def load(self) -> str:
        place, size = self.place()
        return f"mov {self.register(size)}, {place}"

    def store(self) -> str:
        place, size = self.place()
        if self.rng.random() < 0.3:
            return f"mov {place}, {self.register(size)}"
        return f"mov {place}, {self.rng.choice([0, 1, 1, 2, 3])}"

    def locked(self) -> str:
        place, size = self.place()
        register = self.register(size)
        return self.rng.choice(
            [
                f"xchg {place}, {register}",
                f"lock xadd {place}, {register}",
                f"lock cmpxchg {place}, {register}",
                f"lock inc {place}",
                f"lock bts {self.place(4)[0]}, {self.rng.randrange(4)}",
            ]
        )

    def skip(self) -> str:
        label, (place, _) = self.label(), self.place(1)
        inner = self.rng.choice([self.load, self.store])()
        return f"cmp {place}, {self.rng.choice([0, 1])}\n{self.jump()} {label}\n{inner}\n{label}:"

    def jump(self) -> str:
        return self.rng.choice(["je", "jne"])

    def loop(self) -> str:
        rng, label, out = self.rng, self.label(), self.label()
        pause = rng.choice(["", "pause\n"])
        value = rng.choice([1, 1, 2])
        first, second = f"byte ptr [{WORDS:#x}]", f"byte ptr [{WORDS + 8:#x}]"
        if rng.random() < 0.5:
            first, second = second, first
        between = f"{label}:\n{pause}cmp {first}, 1\nje {out}\n"
        between += f"cmp {second}, {value}\njne {label}\n{out}:"
        return rng.choice(
            [
                f"{label}:\n{pause}cmp {first}, {value}\njne {label}",
                f"{label}:\n{pause}cmp {first}, 0\nje {label}",
                f"{label}:\n{pause}mov al, {first}\nor al, {second}\njz {label}",
                between,
                f"{label}:\n{pause}mov al, 1\nxchg {first}, al\ntest al, al\njnz {label}",
                f"{label}:\n{pause}xor eax, eax\nlock cmpxchg {first}, bl\njnz {label}",
            ]
        )

    def retry(self) -> str:
        """Return a loop that takes back what it wrote, and begins again."""
        label, out = self.label(), self.label()
        first, second = f"byte ptr [{WORDS:#x}]", f"byte ptr [{WORDS + 8:#x}]"
        if self.rng.random() < 0.5:
            first, second = second, first
        return (
            f"{label}:\nmov {first}, 1\ncmp {second}, 0\nje {out}\n"
            f"mov {first}, 0\njmp {label}\n{out}:"
        )

    def send(self) -> str:
        vector = self.rng.choice([0x40, self.other])
        target = self.rng.choice([0x4000, 0x4000, 0x4000, 0x44000, 0x84000])
        return f"mov dword ptr [r15 + 0x300], {target | vector:#x}"

    def flag(self) -> str:
        return self.rng.choice(["cli", "sti", "sti"])

    def halt(self) -> str:
        return self.rng.choice(["hlt", "sti\nhlt"])

    def count(self) -> str:
        return self.rng.choice(["inc eax", "add eax, ecx\ninc ecx", "adc ebx, 0", "cmp eax, 1"])

    def priority(self) -> str:
        return f"push rax\nmov eax, {self.rng.choice([0, 3, 4, 4, 5])}\nmov cr8, rax\npop rax"

    def spoil(self) -> str:
        """Return what changes, or looks at, what a handler interrupts."""
        return self.rng.choice(
            [
                *("inc eax", "mov ecx, 3", "xor byte ptr [rsp + 16], 1", "xchg eax, ebx"),
                "push qword ptr [rsp]\npop qword ptr [0x5010]",
            ]
        )

    def software(self) -> str:
        return f"int {self.rng.choice([0x42, 0x43])}"

    def handler(self, vector: int) -> str:
        rng = self.rng
        lines = [self.store() if rng.random() < 0.5 else f"lock inc {self.place()[0]}"]
        if rng.random() < 0.3:
            lines = [f"push rax\nmov eax, {self.place(4)[0]}\nmov {self.place(4)[0]}, eax\npop rax"]
        if self.kind == "opaque":
            lines.insert(rng.choice([0, len(lines)]), self.spoil())
        if vector not in _BY_INT:
            lines.insert(rng.choice([0, len(lines)]), END_OF_INTERRUPT)
            if self.kind in {"nested", "classes", "mixed", "opaque"} and rng.random() < 0.6:
                lines.insert(rng.randint(0, len(lines)), "sti")
        return "\n".join([*lines, "iretq"])


def random_scene(kind: str, seed: int) -> Scene:
    """Return the scene of a kind and a seed."""
    return _Writer(kind, seed).scene()
