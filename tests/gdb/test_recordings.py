"""Sessions of the real gdb with recordings."""

import re
from collections.abc import Callable
from pathlib import Path

from uniSMP.trace.reader import Trace

Session = Callable[..., str]

HIT_ON_CORE_2 = "break pmm_interrupt thread 3\ncontinue\n"


def values(text: str, name: str) -> list[str]:
    """Return what the script printed as `name=...`."""
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


def test_break_in_the_pmm_handler_on_core_2(session: Session, recording: Path) -> None:
    out = session(recording, HIT_ON_CORE_2 + "info threads\nbacktrace 1\nx/i $pc")
    assert 'Thread 3 "core 2" hit Breakpoint 1, pmm_interrupt () at pmm/call.asm' in out
    assert re.search(r'\* 3 +Thread 3 "core 2" \(running at rip 0x\w+\) pmm_interrupt \(\)', out)
    assert re.search(r"=> 0x\w+ <pmm_interrupt>:\tpush   %rbx", out)


def test_reverse_continue_leads_to_the_store_of_another_core_that_changed_a_list(
    session: Session, recording: Path
) -> None:
    out = session(
        recording,
        "monitor goto 1400000\nmaintenance flush register-cache\n"
        + HIT_ON_CORE_2
        + """
        delete
        watch *(int *)&pmm_free_head
        reverse-continue
        while $_thread == 3
            reverse-continue
        end
        printf "core=%d\\n", $_thread - 1
        printf "before=%d\\n", *(int *)&pmm_free_head
        x/i $pc
        stepi
        printf "after=%d\\n", *(int *)&pmm_free_head
        """,
    )
    assert "Old value" in out
    core, before, after = (int(values(out, name)[0]) for name in ("core", "before", "after"))
    assert core != 2
    assert before != after
    assert re.search(r"=> 0x\w+ <.*>:\tmov +%\w+,", out)


def test_forward_over_the_same_store_stops_behind_it(session: Session, recording: Path) -> None:
    out = session(
        recording,
        """
        break pmm_init_ready
        continue
        watch *(int *)&pmm_free_head
        continue
        printf "step=%d\\n", *(int *)&pmm_free_head
        monitor step
        reverse-stepi
        monitor step
        """,
    )
    steps = [int(step) for step in re.findall(r"^step (\d+)$", out, re.MULTILINE)]
    assert "Hardware watchpoint 2: *(int *)&pmm_free_head\n\nOld value" in out
    assert steps[0] == steps[1] + 1


def test_stepping_back_undoes_steps_across_cores(session: Session, recording: Path) -> None:
    state = 'printf "state=%lx %lx %lx\\n", $rip, $rsp, $rax\nmonitor digest\n'
    there = "stepi\nstepi\nstepi\n"
    back = "reverse-stepi\nreverse-stepi\nreverse-stepi\n"
    out = session(recording, HIT_ON_CORE_2 + "delete\n" + state + there + state + back + state)
    first, middle, last = values(out, "state")
    digests = re.findall(r"^[0-9a-f]{64}$", out, re.MULTILINE)
    assert first == last != middle
    assert digests[0] == digests[2] != digests[1]


def test_steps_of_another_core_let_the_others_go_on_and_say_so_once(
    session: Session, recording: Path
) -> None:
    out = session(
        recording,
        HIT_ON_CORE_2 + "delete\nset scheduler-locking on\nthread 2\nstepi\nstepi\ninfo threads",
    )
    assert out.count("other cores move until this one has done its instruction") == 1
    assert re.search(r'\* 2 +Thread 2 "core 1"', out)


def test_both_ends_of_a_recording_stop_and_nothing_is_lost(
    session: Session, finished: Path
) -> None:
    script = (
        "monitor digest\ncontinue\nmonitor step\nreverse-continue\nmonitor step\nmonitor digest"
    )
    out = session(finished, script)
    digests = re.findall(r"^[0-9a-f]{64}$", out, re.MULTILINE)
    assert "FINISHED: the guest wrote 0 to the debug-exit port" in out
    assert out.count("No more reverse-execution history.") == 2
    assert "hello from core 1" in out
    assert re.search(r"^step \d+, the end of the run: FINISHED", out, re.MULTILINE)
    assert "\nstep 0\n" in out
    assert digests[0] == digests[1]


def test_read_and_access_watchpoints_tell_the_core(session: Session, recording: Path) -> None:
    out = session(
        recording,
        HIT_ON_CORE_2
        + """
        delete
        rwatch *(int *)&pmm_next_head
        awatch *(int *)&pmm_allocd_head
        continue
        continue
        """,
    )
    assert len(re.findall(r"hit Hardware (read|access \(read/write\)) watchpoint", out)) == 2
    assert "Value = " in out


def test_recording_cannot_be_changed(session: Session, recording: Path) -> None:
    out = session(recording, "set $rax = 1")
    assert "a recording cannot be changed" in out
    assert "Cannot access memory" in session(recording, "set *(int *)0x100000 = 1")


def test_memory_is_linear_physical_and_never_a_devices(session: Session, recording: Path) -> None:
    out = session(
        recording,
        HIT_ON_CORE_2
        + """
        x/1xw 0x100020
        maintenance packet Qqemu.PhyMemMode:1
        x/1xw 0x100020
        monitor phys 0x100020 4
        x/1xw 0xfee00020
        """,
    )
    words = re.findall(r"^0x100020 <boot_entry>:\t(0x\w+)$", out, re.MULTILINE)
    assert len(words) == 2
    assert words[0] == words[1]
    assert "Cannot access memory at address 0xfee00020" in out


def test_system_registers_have_names(session: Session, recording: Path) -> None:
    out = session(recording, HIT_ON_CORE_2 + "info registers cr0 cr3 cr4 efer cr8 gs_base mxcsr cs")
    assert re.search(r"^cr0 +0x8\w{7} ", out, re.MULTILINE)
    assert re.search(r"^efer +0xd\d\d ", out, re.MULTILINE)
    assert re.search(r"^mxcsr +0x1f80 +\[ IM DM ZM OM UM PM \]$", out, re.MULTILINE)
    assert re.search(r"^cs +0x8 ", out, re.MULTILINE)


def test_monitor_shows_the_interrupt_hardware_and_the_memory_manager(
    session: Session, recording: Path
) -> None:
    commands = ("apic", "apic 1", "pic", "ioapic", "interrupts", "cores", "pmm", "disasm 2")
    out = session(
        recording, "\n".join([HIT_ON_CORE_2, *(f"monitor {command}" for command in commands)])
    )
    for expected in (
        "local APIC of core 2: xapic, enabled",
        "local APIC of core 1",
        "8259A master",
        "IOAPIC",
        "core 3: IF ",
        "(pmm_interrupt)",
        "managed 0x",
    ):
        assert expected in out


def test_trace_of_a_stretch_is_readable(session: Session, recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stretch"
    out = session(
        recording,
        HIT_ON_CORE_2
        + f"monitor trace on {folder}\ndelete\nstepi\nstepi\nreverse-stepi\nstepi\nstepi\n"
        + "monitor trace off",
    )
    assert "3 steps are in" in out
    rows = Trace(folder).sql("SELECT core FROM instructions ORDER BY step").to_pylist()
    assert [row["core"] for row in rows] == [2, 2, 2]
