"""Sessions of the real gdb with live machines."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from uniSMP import Image, Machine, RoundRobin

Session = Callable[..., str]
QUANTUM = 100
DIGEST = re.compile(r"^[0-9a-f]{64}$", re.MULTILINE)

COUNT = """
_start:
    inc rax
    inc rax
    inc rax
    inc rax
    cmp edi, 0
    jne _start
    cmp dword ptr [flag], 0
    je _start
    mov eax, [flag]
    dec eax
    out 0xF4, al
    hlt
.balign 8
flag: .quad 0
"""
DECIDE = """
_start:
    mov ecx, 1000
wait:
    dec ecx
    jnz wait
    mov eax, [flag]
    out 0xF4, al
    hlt
flag: .quad 7
"""


@pytest.fixture
def guest(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a source file."""

    def write(text: str) -> Path:
        path = tmp_path / "guest.asm"
        path.write_text(text)
        return path

    return write


def rax(out: str) -> list[list[int]]:
    """Return RAX of both cores, each time that the script printed them."""
    found = re.findall(r"^rax=(\d+),(\d+)$", out, re.MULTILINE)
    return [[int(word) for word in pair] for pair in found]


PRINT = """
define both
    thread 1
    set $one = $rax
    thread 2
    printf "rax=%d,%d\\n", $one, $rax
end
"""


def test_breakpoints_and_watchpoints_leave_the_run_as_it_was(
    session: Session, program: Callable[[str], Image]
) -> None:
    with Machine(cores=3) as machine:
        machine.load(program("smp_hello"))
        expected = machine.run(RoundRobin(QUANTUM))
    out = session(
        "smp_hello",
        """
        break ap_main
        continue
        continue
        delete
        watch *(int *)&core_count
        break serial_print
        continue
        continue
        reverse-continue
        stepi
        stepi
        delete
        continue
        monitor step
        monitor digest
        """,
        *("--cores", "3", "--quantum", str(QUANTUM)),
    )
    assert out.count("hit Breakpoint 1, ap_main ()") == 2
    assert "FINISHED: the guest wrote 0 to the debug-exit port" in out
    assert out.count("hello from core 2") == 1
    assert DIGEST.findall(out) == [expected.digest]
    assert f"step {expected.steps}, the end of the run" in out


def test_locked_scheduler_moves_one_core_alone(
    session: Session, guest: Callable[[str], Path]
) -> None:
    script = PRINT + "set scheduler-locking on\nboth\nstepi\nstepi\nstepi\nboth"
    first, last = rax(session(guest(COUNT), script, "--cores", "2"))
    assert first[0] == last[0]
    assert last[1] == first[1] + 3


def test_unlocked_scheduler_moves_the_others_as_scheduled(
    session: Session, guest: Callable[[str], Path]
) -> None:
    script = PRINT + "both\nstepi\nstepi\nboth"
    first, last = rax(session(guest(COUNT), script, "--cores", "2", "--quantum", "1"))
    assert last[0] > first[0]
    assert last[1] == first[1] + 2


def test_locked_scheduler_continues_one_core_up_to_its_breakpoint(
    session: Session, guest: Callable[[str], Path]
) -> None:
    script = PRINT + "thread 2\nset scheduler-locking on\nbreak 8\ncontinue\nboth"
    assert "hit Breakpoint 1" in (out := session(guest(COUNT), script, "--cores", "2"))
    assert rax(out)[0][0] == 0


def test_memory_and_registers_that_are_set_count(
    session: Session, guest: Callable[[str], Path]
) -> None:
    script = """
    break 8 thread 1
    continue
    set $rax = 1000
    set *(int *)&flag = 1
    print $rax
    delete
    continue
    """
    out = session(guest(COUNT), script, "--cores", "2")
    assert "$1 = 1000" in out
    assert "FINISHED: the guest wrote 0 to the debug-exit port" in out


def test_past_that_is_changed_leads_to_another_future(
    session: Session, guest: Callable[[str], Path]
) -> None:
    script = """
    continue
    break wait
    reverse-continue
    set *(int *)&flag = 0
    delete
    continue
    reverse-continue
    monitor step
    continue
    """
    out = session(guest(DECIDE), script)
    assert "GUEST_FAILED: the guest wrote 7 to the debug-exit port" in out
    assert out.count("FINISHED: the guest wrote 0 to the debug-exit port") == 2
    assert "\nstep 0\n" in out


def test_code_of_32_bits_is_disassembled_in_its_mode(session: Session) -> None:
    out = session("hello", "break boot_entry\nmonitor disasm 2\ninfo registers cs cr0")
    assert "cli\n" in out
    assert re.search(r"^cr0 +0x11 ", out, re.MULTILINE)


def test_seed_gives_the_same_session_twice(session: Session) -> None:
    script = "break ap_main\ncontinue\nmonitor step\ninfo threads\nmonitor digest"
    options = ("--cores", "4", "--seed", "5")
    one, two = (session("smp_hello", script, *options) for _ in range(2))
    assert DIGEST.findall(one) == DIGEST.findall(two) != []
    assert one == two


def test_target_that_does_not_exist_is_one_line(session: Session) -> None:
    out = session("no_such_program", "")
    assert "unismp: error: no program and no file is called no_such_program" in out
