"""How a run ends is a value, whatever the guest does."""

import pytest

from uniSMP import ConfigError, ImageError, Machine, Outcome, RunResult, assemble


def run(source: str, cores: int = 1, limit: int = 50_000) -> RunResult:
    with Machine(cores=cores, memory_bytes=2 << 20, boot="long") as machine:
        machine.load(assemble(source))
        return machine.run(max_instructions=limit)


def test_exit_zero_is_finished() -> None:
    result = run("_start: xor eax, eax\n out 0xF4, al")
    assert (result.outcome, result.exit_value, result.steps) == (Outcome.FINISHED, 0, 2)


@pytest.mark.parametrize(("size", "value"), [("al", 5), ("ax", 0x105), ("eax", 0x12345)])
def test_exit_with_a_value_is_guest_failed(size: str, value: int) -> None:
    result = run(f"_start: mov eax, {value}\n out 0xF4, {size}")
    assert (result.outcome, result.exit_value) == (Outcome.GUEST_FAILED, value)


def test_halt_with_interrupts_off_is_deadlock_and_names_cores() -> None:
    result = run("_start: cli\n hlt", cores=3)
    assert result.outcome is Outcome.DEADLOCK
    assert "core 2 halted with IF=0 at rip 0x100002" in result.reason


def test_halt_with_interrupts_on_and_no_source_is_deadlock() -> None:
    result = run("_start: sti\n hlt")
    assert result.outcome is Outcome.DEADLOCK


def test_halt_with_interrupts_off_under_a_timer_is_deadlock() -> None:
    result = run(
        """
        _start:
            mov esi, 0xFEE00000
            mov dword ptr [rsi + 0xF0], 0x1FF
            mov dword ptr [rsi + 0x320], 0x20040
            mov dword ptr [rsi + 0x380], 1000
            cli
            hlt
        """
    )
    assert result.outcome is Outcome.DEADLOCK


def test_triple_fault_names_its_core() -> None:
    result = run("_start: cmp edi, 1\n jne _start\n ud2", cores=2)
    assert result.outcome is Outcome.TRIPLE_FAULT
    assert result.reason == "core 1: triple fault"


def test_endless_loop_ends_exactly_at_the_limit() -> None:
    result = run("_start: jmp _start", cores=2, limit=12_345)
    assert (result.outcome, result.steps) == (Outcome.INSTRUCTION_LIMIT, 12_345)


def test_jump_into_nothing_ends_as_an_outcome() -> None:
    result = run("_start: mov eax, 0xD0000000\n jmp rax")
    assert result.outcome is Outcome.TRIPLE_FAULT


def test_stack_overflow_ends_as_an_outcome() -> None:
    result = run("_start: push rax\n jmp _start", limit=2_000_000)
    assert result.outcome in {Outcome.TRIPLE_FAULT, Outcome.INSTRUCTION_LIMIT}


def test_exception_loop_without_progress_is_deadlock() -> None:
    result = run(
        """
        .set GATE, 0x3000 + 6 * 16
        _start:
            lea rax, [rip + handler]
            mov word ptr [GATE], ax
            mov word ptr [GATE + 2], 8
            mov word ptr [GATE + 4], 0x8E00
            shr rax, 16
            mov word ptr [GATE + 6], ax
            lidt [rip + idt]
        handler:
            ud2
        idt:
            .word 0xFFF
            .quad 0x3000
        """
    )
    assert (result.outcome, result.steps) == (Outcome.DEADLOCK, 7)
    assert "raises exceptions for ever" in result.reason


def test_reset_request_ends_the_run() -> None:
    result = run("_start: mov dx, 0xCF9\n mov al, 6\n out dx, al")
    assert (result.outcome, result.exit_value) == (Outcome.GUEST_FAILED, None)
    assert "reset" in result.reason


def test_run_asked_to_stop_is_host_timeout_and_says_so() -> None:
    with Machine(cores=1, memory_bytes=2 << 20, boot="long") as machine:
        machine.load(assemble("_start: jmp _start"))
        result = machine.run(is_interrupted=lambda: machine.steps > 100_000)
    assert result.outcome is Outcome.HOST_TIMEOUT
    assert not result.is_deterministic


def test_run_after_the_end_changes_nothing() -> None:
    with Machine(cores=1, memory_bytes=2 << 20, boot="long") as machine:
        machine.load(assemble("_start: xor eax, eax\n out 0xF4, al\n jmp _start"))
        first = machine.run()
        assert machine.run() == first


def test_run_without_an_image_is_refused() -> None:
    with pytest.raises(ConfigError, match="no image"):
        Machine(memory_bytes=1 << 20).run()


def test_second_image_is_refused() -> None:
    machine = Machine(memory_bytes=2 << 20, boot="long")
    machine.load(b"\x90")
    with pytest.raises(ConfigError, match="an image already"):
        machine.load(b"\x90")


@pytest.mark.parametrize(
    "settings",
    [
        {"cores": 0},
        {"cores": 256},
        {"cores": -1},
        {"memory_bytes": 0},
        {"memory_bytes": (1 << 20) + 1},
        {"memory_bytes": 4 << 30},
        {"boot": "uefi"},
        {"ticks_per_instruction": 0},
        {"command_line": "a\0b"},
    ],
)
def test_bad_setting_is_one_clear_line(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        Machine(**settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_image_that_does_not_fit_is_refused() -> None:
    machine = Machine(memory_bytes=1 << 20, boot="long")
    with pytest.raises(ImageError, match="does not fit"):
        machine.load(bytes(1 << 20))


def test_most_cores_can_be_made() -> None:
    with Machine(cores=255, memory_bytes=16 << 20, boot="long") as machine:
        machine.load(assemble("_start: lock inc dword ptr [0x2000]\n cli\n hlt"))
        result = machine.run()
        assert machine.memory.read_integer(0x2000, 4) == 255
    assert result.outcome is Outcome.DEADLOCK
    assert "and 247 more" in result.reason
