"""The commands behind gdb's `monitor`: chips, the memory manager, physical memory, time.

Nothing here changes the guest; `goto` moves along the time line.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from uniSMP.checks.pmm_invariants import check
from uniSMP.checks.pmm_layout import RangeNode, read_managed
from uniSMP.checks.pmm_walk import walk
from uniSMP.errors import ConfigError, UniSMPError
from uniSMP.gdb.tracing import Tracing
from uniSMP.machine.chip_report import (
    describe_apic,
    describe_interrupts,
    describe_io_apic,
    describe_pic,
)
from uniSMP.machine.machine import Machine
from uniSMP.trace.text import SymbolNames

if TYPE_CHECKING:
    from uniSMP.replay.timeline import Timeline

_HELP = """\
apic [CORE]        registers of a core's local APIC, of the current core by default
console            what the guest has printed up to here
cores              where each core stands
digest             digest of the machine as it stands
disasm [COUNT]     instructions at the current core's RIP, in its mode of 16, 32 or 64 bits
goto STEP          go to a step (instructions of all cores), forward or back
interrupts         what waits and what is served, on each core
ioapic             the IOAPIC's redirection entries
phys ADDRESS COUNT bytes of physical memory
pic                both 8259A
pmm                lists and invariants of the guest's physical memory manager
step               the step at which the machine stands
trace on DIR       write what is executed from here on to a trace in the folder DIR
trace off          end that trace
"""
_DESCRIPTIONS: dict[str, Callable[[Machine], str]] = {
    "interrupts": describe_interrupts,
    "ioapic": describe_io_apic,
    "pic": describe_pic,
}
"""What is shown of the whole machine, by command."""
_STALE = "gdb does not see that time has moved: say `maintenance flush register-cache`\n"
_MOST_BYTES = 4096
_MOST_INSTRUCTIONS = 256
_MOST_RANGES = 32
_ROW_BYTES = 16


class Monitor:
    """Runs the commands.

    Args:
        timeline: the target.
        symbols: addresses by name.
        tracing: what `trace` does.
    """

    def __init__(self, timeline: "Timeline", symbols: Mapping[str, int], tracing: Tracing) -> None:
        self._timeline = timeline
        self._symbols = symbols
        self._names = SymbolNames(symbols)
        self._tracing = tracing
        self._commands: dict[str, Callable[[list[str], int], str]] = {
            "help": lambda _words, _core: _HELP,
            "apic": self._apic,
            "console": lambda _words, _core: self._console(),
            "cores": lambda _words, _core: self._cores(),
            "digest": lambda _words, _core: f"{timeline.machine.digest()}\n",
            "disasm": self._disassemble,
            "goto": self._goto,
            "phys": self._physical,
            "pmm": lambda _words, _core: self._pmm(),
            "step": lambda _words, _core: self._place(),
            "trace": self._trace,
        }

    def run(self, line: str, core_id: int) -> str:
        """Run one command; return its output, or in one line what is wrong with it.

        Args:
            line: the command.
            core_id: the core that gdb looks at.
        """
        name, *words = line.split() or ["help"]
        try:
            if name in _DESCRIPTIONS:
                return _DESCRIPTIONS[name](self._timeline.machine)
            if name in self._commands:
                return self._commands[name](words, core_id)
        except UniSMPError as error:
            return f"{name}: {error}\n"
        return f"there is no command {name}: `monitor help` shows them\n"

    def _apic(self, words: list[str], core_id: int) -> str:
        chosen = parse(words[0]) if words else core_id
        self._timeline.machine.core(chosen)
        return describe_apic(self._timeline.machine.devices.local_apics[chosen])

    def _cores(self) -> str:
        lines = []
        for core in self._timeline.machine.cores:
            name = self._names.describe(core.linear_rip)
            lines.append(f"core {core.id}: {core.state}{f' ({name})' if name else ''}\n")
        return "".join(lines)

    def _console(self) -> str:
        return self._timeline.machine.console.decode("utf-8", "backslashreplace")

    def _place(self) -> str:
        ending = self._timeline.ending
        how = f", the end of the run: {ending.outcome}, {ending.reason}" if ending else ""
        return f"step {self._timeline.step}{how}\n"

    def _goto(self, words: list[str], _core: int) -> str:
        if not words:
            raise ConfigError("to which step? `monitor goto STEP`")
        self._timeline.goto(parse(words[0]))
        return self._place() + _STALE

    def _physical(self, words: list[str], _core: int) -> str:
        address = parse(words[0]) if words else 0
        count = parse(words[1]) if words[1:] else _ROW_BYTES
        if not 0 < count <= _MOST_BYTES:
            raise ConfigError(f"{count} bytes: choose 1 to {_MOST_BYTES}")
        data = self._timeline.machine.memory.read(address, count)
        rows = range(0, count, _ROW_BYTES)
        return "".join(
            f"{address + row:#010x}  {data[row : row + _ROW_BYTES].hex(' ')}\n" for row in rows
        )

    def _disassemble(self, words: list[str], core_id: int) -> str:
        count = parse(words[0]) if words else 8
        if not 0 < count <= _MOST_INSTRUCTIONS:
            raise ConfigError(f"{count} instructions: choose 1 to {_MOST_INSTRUCTIONS}")
        core = self._timeline.machine.core(core_id)
        return "".join(
            f"{place:#x} {self._names.describe(place):<24} {text}\n"
            for place, _, text in core.disassemble(core.linear_rip, count)
        )

    def _pmm(self) -> str:
        read = self._timeline.machine.memory.read
        managed = read_managed(read, self._symbols)
        lists = walk(read, self._symbols, managed).lists
        violations = check(read, self._symbols, managed)
        lines = [
            *(f"managed {each.start:#x}..{each.stop:#x}" for each in managed),
            *_ranges("free", lists.free),
            *_ranges("allocd", lists.allocated),
            f"next: {len(lists.spare)} spare nodes in {len(lists.metadata_frames)} metadata pages",
            *violations,
            "" if violations else "all invariants hold",
        ]
        return "\n".join(line for line in lines if line) + "\n"

    def _trace(self, words: list[str], _core: int) -> str:
        match words:
            case ["on", directory]:
                return self._tracing.begin(directory)
            case ["off"]:
                return self._tracing.end()
        raise ConfigError("say `trace on DIR` or `trace off`")


def _ranges(name: str, nodes: tuple[RangeNode, ...]) -> list[str]:
    """Return a list of the manager in lines: how long it is, and its first ranges of frames."""
    lines = [f"{name}: {len(nodes)} ranges, {sum(node.frames for node in nodes)} frames"]
    lines += [
        f"  {node.base:#x}..{node.base + node.frames:#x} (node {node.node_index:#x})"
        for node in nodes[:_MOST_RANGES]
    ]
    return [*lines, "  ..."] if len(nodes) > _MOST_RANGES else lines


def parse(text: str) -> int:
    """Return a number as C writes it.

    Raises:
        ConfigError: it is none, or negative.
    """
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if value < 0:
        raise ConfigError(f"{text!r} is no number: write 4096 or 0x1000")
    return value
