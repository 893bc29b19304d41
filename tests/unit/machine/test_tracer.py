"""What a traced run hands to its sink: filters, windows, events, errors."""

import sys
import threading
from pathlib import Path

import pytest

from uniSMP import Image, Machine, RoundRobin, assemble
from uniSMP.errors import ConfigError
from uniSMP.machine.tracer import TraceFilter
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parents[2]))
from tracing import KeptTrace

LOOP = """
_start:
    mov ecx, 20
again:
    mov [rdi * 8 + 0x2000], rcx
    dec ecx
    jnz again
    cli
    hlt
"""
IPI = """
_start:
    test edi, edi
    jnz other
    mov esi, 0xFEE00000
    mov dword ptr [rsi + 0xF0], 0x1FF
ready:
    pause
    cmp dword ptr [0x2004], 1
    jne ready
    mov dword ptr [rsi + 0x310], 0x01000000
    mov dword ptr [rsi + 0x300], 0x40
wait:
    pause
    cmp dword ptr [0x2000], 1
    jne wait
    mov ecx, 0x1B
    rdmsr
    xor eax, eax
    out 0xF4, al
other:
    lea rax, [rip + handler]
    mov word ptr [0x3400], ax
    mov word ptr [0x3402], 8
    mov word ptr [0x3404], 0x8E00
    shr rax, 16
    mov word ptr [0x3406], ax
    lidt [rip + idt]
    mov esi, 0xFEE00000
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [0x2004], 1
    sti
idle:
    hlt
    jmp idle
handler:
    inc dword ptr [0x2000]
    mov dword ptr [rsi + 0xB0], 0
    iretq
idt:
    .word 0x0FFF
    .quad 0x3000
"""


def trace(
    source: str, level: Level, chosen: TraceFilter | None = None, *, cores: int = 2
) -> tuple[KeptTrace, Image, int]:
    kept = KeptTrace(level)
    image = assemble(source)
    with Machine(cores=cores, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(image)
        result = machine.run(RoundRobin(7), trace=kept, trace_filter=chosen)
    return kept, image, result.steps


def test_core_filter_keeps_the_rows_of_that_core_only() -> None:
    kept, _, _ = trace(LOOP, Level.REGISTERS, TraceFilter(core_ids=frozenset({1})))
    for name in ("executions", "instructions", "memory", "registers"):
        assert set(kept.column(name, "core").tolist()) == {1}
    assert {row["core"] for row in kept.rows("events")} <= {1, None}


def test_address_filter_keeps_instructions_inside_and_what_they_did() -> None:
    _, image, _ = trace(LOOP, Level.EVENTS)
    first = image.symbols["again"]
    kept, _, _ = trace(LOOP, Level.MEMORY, TraceFilter(addresses=((first, first + 1),)))
    assert set(kept.column("instructions", "rip").tolist()) == {first}
    assert len(kept.rows("instructions")) == 40
    assert [row["value"] for row in kept.rows("memory")] == [
        row["value"] for row in kept.rows("memory") if row["rip"] == first
    ]
    assert len(kept.rows("memory")) == 40


@pytest.mark.parametrize(("first", "end"), [(0, 10), (13, 40), (50, None), (0, None), (7, 8)])
def test_window_has_exactly_the_steps_in_it(first: int, end: int | None) -> None:
    whole, _, steps = trace(LOOP, Level.REGISTERS)
    kept, _, _ = trace(LOOP, Level.REGISTERS, TraceFilter(first_step=first, end_step=end))
    inside = [row for row in whole.rows("instructions") if first <= row["step"] < (end or steps)]
    assert kept.rows("instructions") == inside
    memory = [row for row in whole.rows("memory") if first <= row["step"] < (end or steps)]
    instructions = [row for row in kept.rows("memory") if row["origin"] == "instruction"]
    assert instructions == [row for row in memory if row["origin"] == "instruction"]


def test_window_changes_nothing() -> None:
    digests = []
    for chosen in (None, TraceFilter(first_step=11, end_step=33)):
        with Machine(cores=2, boot="long", memory_bytes=4 << 20) as machine:
            machine.load(assemble(LOOP))
            kept = KeptTrace(Level.REGISTERS)
            digests.append(machine.run(RoundRobin(7), trace=kept, trace_filter=chosen).digest)
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (TraceFilter(core_ids=frozenset({5})), "trace core 5: this machine has cores 0 to 1"),
        (TraceFilter(first_step=9, end_step=9), "nothing between"),
    ],
)
def test_filter_that_keeps_nothing_is_refused(chosen: TraceFilter, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trace(LOOP, Level.EVENTS, chosen)


def test_interrupt_is_told_from_its_sender_to_its_end() -> None:
    kept, image, _ = trace(IPI, Level.EVENTS)
    story = [
        row
        for row in kept.rows("events")
        if row["kind"] in ("ipi_sent", "interrupt_accepted", "interrupt_delivered", "eoi", "wake")
    ]
    assert [row["kind"] for row in story] == [
        "ipi_sent",
        "interrupt_accepted",
        "wake",
        "interrupt_delivered",
        "eoi",
    ]
    sent, accepted, _, delivered, ended = story
    assert (sent["core"], sent["vector"], sent["mode"], sent["targets"]) == (0, 0x40, "fixed", [1])
    assert (accepted["core"], accepted["source"]) == (1, "core 0")
    assert (delivered["core"], delivered["vector"], delivered["source"]) == (1, 0x40, "apic")
    assert (ended["core"], ended["vector"]) == (1, 0x40)
    assert delivered["rip"] in (image.symbols["idle"], image.symbols["idle"] + 1)


def test_accesses_to_registers_of_the_system_are_events() -> None:
    kept, _, _ = trace(IPI, Level.EVENTS)
    rows = {row["kind"]: row for row in kept.rows("events")}
    assert (rows["msr_read"]["address"], rows["msr_read"]["value"]) == (0x1B, 0xFEE0_0900)
    assert (rows["port_write"]["address"], rows["port_write"]["value"]) == (0xF4, 0)
    assert rows["mmio_write"]["address"] >> 12 == 0xFEE00
    assert rows["exit"]["value"] == 0


def test_exception_has_its_error_code_and_address() -> None:
    source = "_start: mov rbx, 0x123456789000\nmov rax, [rbx]\nhlt\n"
    kept, image, _ = trace(source, Level.EVENTS, cores=1)
    first = next(row for row in kept.rows("events") if row["kind"] == "exception")
    assert (first["vector"], first["error_code"], first["cr2"]) == (14, 0, 0x1234_5678_9000)
    assert (first["step"], first["rip"]) == (1, image.entry + 10)


def test_slices_and_halts_are_events() -> None:
    kept, _, steps = trace(LOOP, Level.EVENTS)
    rows = kept.rows("events")
    ends = [row for row in rows if row["kind"] == "slice_end"]
    assert sum(row["value"] for row in ends) == steps
    assert {row["detail"] for row in ends} == {"budget", "halt"}
    assert kept.kinds().count("halt") == 2


def test_changed_code_is_an_event() -> None:
    source = "_start: jmp there\nthere: mov byte ptr [there + 9], 2\nmov al, 1\ncli\nhlt\n"
    kept, image, _ = trace(source, Level.EVENTS, cores=1)
    rows = [row for row in kept.rows("events") if row["kind"] == "code_invalidated"]
    assert [row["address"] for row in rows] == [image.origin & ~63]


def test_steps_of_events_never_go_back() -> None:
    kept, _, _ = trace(IPI, Level.REGISTERS)
    steps = [row["step"] for row in kept.rows("events")]
    assert steps == sorted(steps)


def test_blocks_hold_the_code_of_every_instruction() -> None:
    kept, image, _ = trace(LOOP, Level.INSTRUCTIONS)
    blocks = {row["block"]: row for row in kept.rows("blocks")}
    for row in kept.rows("executions"):
        block = blocks[row["block"]]
        place = block["address"] - image.origin
        assert image.data[place : place + len(block["code"])] == block["code"]
        assert row["instructions"] <= block["instructions"] == len(block["offsets"])


def test_sink_that_fails_leaves_the_machine_untraced_and_usable() -> None:
    class Broken:
        level = Level.REGISTERS

        def add(self, _name: str, _columns: object) -> None:
            raise ValueError("broken")

    with Machine(cores=2, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(assemble(LOOP))
        with pytest.raises(ValueError, match="broken"):
            machine.run(RoundRobin(7), max_instructions=20, trace=Broken())
        threads = [thread.name for thread in threading.enumerate()]
        assert not any(name.startswith("trace") for name in threads)
        result = machine.run(RoundRobin(7))
    assert result.steps == 2 * 63


def test_interrupted_host_ends_the_trace_and_the_run_goes_on_later() -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    kept = KeptTrace(Level.INSTRUCTIONS)
    with Machine(cores=1, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(assemble(LOOP))
        with pytest.raises(KeyboardInterrupt):
            machine.run(RoundRobin(7), trace=kept, is_interrupted=interrupt)
        assert len(kept.rows("instructions")) == machine.steps
        assert machine.run(RoundRobin(7)).steps == 63
