"""What the stub answers."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uniSMP.gdb.registers import NUMBER
from uniSMP.gdb.stub import Leave

Debugger = Any
RIP = NUMBER["rip"]
_COMMANDS = b"?HTgGpPmxMXZzcsbvqQ!~\xff"
_WORDS = (
    *(b"Cont;", b"Cont?", b"File:open:", b"File:pread:", b"Xfer:features:read:", b"Rcmd,"),
    *(b"qemu.PhyMemMode:", b"fThreadInfo", b"ThreadExtraInfo,", b":", b",", b";", b"=", b"-1"),
    *(
        b"0",
        b"1",
        b"ff",
        b"ffffffffffffffff",
        b"10000000000000000",
        b"target.xml",
        b"s",
        b"r",
        b"c",
    ),
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(_COMMANDS),
    st.lists(st.one_of(st.sampled_from(_WORDS), st.binary(max_size=6)), max_size=6),
)
def test_no_packet_takes_the_stub_down(debugger: Debugger, command: int, rest: list[bytes]) -> None:
    debugger.stub.motion.is_interrupted = lambda: True
    debugger(bytes([command]) + b"".join(rest))


def test_unknown_packets_are_answered_with_nothing(debugger: Debugger) -> None:
    for packet in ("", "!", "vMustReplyEmpty", "QNonStop:1", "qTStatus", "bx", "Hx1", "Z9,0,1"):
        assert debugger(packet) == ""


def test_features_are_offered(debugger: Debugger) -> None:
    offered = debugger("qSupported:multiprocess+;swbreak+").split(";")
    assert {"ReverseStep+", "ReverseContinue+", "swbreak+", "qXfer:exec-file:read+"} <= {*offered}


def test_cores_are_threads(debugger: Debugger) -> None:
    assert (debugger("qfThreadInfo"), debugger("qsThreadInfo")) == ("m1,2", "l")
    assert (debugger("T2"), debugger("T3"), debugger("T0"), debugger("Hg3")) == (
        "OK", "E.there is no thread 3", "E16", "E.there is no thread 3",
    )  # fmt: skip
    threads = debugger("qXfer:threads:read::0,1000")
    assert 'id="2" core="1" name="core 1"' in threads
    assert threads.startswith("l<?xml")
    assert "running at rip" in bytes.fromhex(debugger("qThreadExtraInfo,1")).decode()


def test_objects_are_read_in_pieces(debugger: Debugger) -> None:
    whole = debugger("qXfer:features:read:target.xml:0,10000")
    first = debugger("qXfer:features:read:target.xml:0,20")
    second = debugger("qXfer:features:read:target.xml:20,10000")
    assert (first[0], second[0]) == ("m", "l")
    assert first[1:] + second[1:] == whole[1:]
    assert debugger("qXfer:features:read:other.xml:0,20") == "E00"


def test_each_thread_has_its_own_registers(debugger: Debugger) -> None:
    debugger("Hg2")
    assert debugger.register(NUMBER["rdi"]) == 1
    debugger("Hg1")
    assert debugger.register(NUMBER["rdi"]) == 0


def test_memory_is_read_and_written(debugger: Debugger) -> None:
    assert debugger(f"m{debugger.at('_start')},4") == "f0ff0425"
    assert debugger(f"M{debugger.at('count')},2:0201") == "OK"
    assert debugger(f"X{debugger.at('count')},1:".encode() + b"\x07") == "OK"
    assert debugger(f"m{debugger.at('count')},2") == "0701"


def test_memory_is_read_up_to_where_it_ends(debugger: Debugger) -> None:
    assert debugger("m1ffffe,8") == "0000"
    assert debugger("m200000,1") == "E0e"


@pytest.mark.parametrize("address", ["fee00020", "fec00000", "ffffffffffffff00", "800000000000"])
def test_registers_of_devices_and_holes_are_not_read(debugger: Debugger, address: str) -> None:
    assert debugger(f"m{address},4") == "E0e"
    assert debugger(f"M{address},1:00").startswith("E.")


def test_physical_mode_reads_past_the_page_tables(debugger: Debugger) -> None:
    assert debugger("Qqemu.PhyMemMode:1") == "OK"
    assert debugger("qqemu.PhyMemMode") == "1"
    assert debugger(f"m{debugger.at('_start')},2") == "f0ff"
    assert debugger(f"Z2,{debugger.at('count')},4") == "OK"
    assert "watch:" in debugger("vCont;c")


def test_looking_changes_nothing(debugger: Debugger) -> None:
    before = debugger.timeline.machine.digest()
    for packet in ("g", "m0,100", f"m{debugger.at('count')},8", "qXfer:threads:read::0,1000"):
        debugger(packet)
    for command in ("apic", "apic 1", "pic", "ioapic", "interrupts", "cores", "disasm", "step"):
        assert debugger.monitor(command)
    assert debugger.timeline.machine.digest() == before


def test_breakpoint_stops_in_front_of_its_instruction(debugger: Debugger) -> None:
    debugger(f"Z0,{debugger.at('wait')},1")
    reply = debugger("vCont;c")
    assert reply.startswith("T05swbreak:;thread:1;")
    assert debugger.register(RIP) == debugger.image.symbols["wait"]


def test_hardware_breakpoint_says_so_and_goes_when_it_is_removed(debugger: Debugger) -> None:
    where = debugger.at("wait")
    debugger(f"Z1,{where},1")
    assert debugger("vCont;c").startswith("T05hwbreak:;")
    debugger(f"z1,{where},1")
    assert debugger("vCont;c").startswith("T05replaylog:end;")


def test_watchpoint_tells_its_address_and_the_core(debugger: Debugger) -> None:
    where = debugger.at("count")
    debugger(f"Z2,{where},4")
    assert debugger("vCont;c").startswith(f"T05watch:{where};thread:1;")
    assert debugger("vCont;c").startswith(f"T05watch:{where};thread:2;")


def test_end_of_the_run_is_told_with_its_outcome(debugger: Debugger) -> None:
    assert debugger("vCont;c").startswith("T05replaylog:end;")
    assert debugger.said == ["FINISHED: the guest wrote 0 to the debug-exit port\n"]
    assert debugger("?").startswith("T05replaylog:end;")


def test_step_moves_one_core_and_the_others_as_scheduled(debugger: Debugger) -> None:
    debugger("vCont;s:2;c")
    assert [core.instructions for core in debugger.timeline.machine.cores] == [1, 1]


def test_step_alone_holds_the_others(debugger: Debugger) -> None:
    for _ in range(2):
        assert "thread:2;" in debugger("vCont;s:2")
    assert [core.instructions for core in debugger.timeline.machine.cores] == [0, 2]
    assert debugger.timeline.only is None


def test_recording_cannot_hold_and_says_so_once(past: Debugger) -> None:
    for _ in range(2):
        past("vCont;s:2")
    assert past.timeline.machine.core(1).instructions == 2
    assert [text for text in past.said if "other cores move" in text] == past.said[:1] != []


def test_step_within_a_range_ends_outside_of_it(debugger: Debugger) -> None:
    start = debugger.image.symbols["_start"]
    wait = debugger.image.symbols["wait"]
    debugger(f"vCont;r{start:x},{wait:x}:1;c")
    assert debugger.register(RIP) == wait


def test_old_packets_step_and_continue(debugger: Debugger) -> None:
    debugger("Hc1")
    debugger("s")
    assert debugger.timeline.machine.core(0).instructions == 1
    assert debugger("c").startswith("T05replaylog:end;")


def test_reverse_continue_finds_the_store_of_another_core(past: Debugger) -> None:
    where = past.at("count")
    past("vCont;c")
    past(f"Z2,{where},4")
    assert past("bc").startswith(f"T05watch:{where};thread:2;")
    assert past(f"m{where},1") == "01"
    assert past("bc").startswith(f"T05watch:{where};thread:1;")
    assert past("bc").startswith("T05replaylog:begin;")


def test_reverse_step_undoes_one_instruction_of_the_core(past: Debugger) -> None:
    past("vCont;s:2;c")
    past("Hc2")
    assert "thread:2;" in past("bs")
    assert past.timeline.machine.core(1).instructions == 0
    assert "replaylog:begin;" in past("bs")


def test_recording_is_read_only(past: Debugger) -> None:
    for packet in ("P0=0000000000000000", "M1000,1:00", "G00"):
        assert past(packet).startswith("E.a recording cannot be changed")
    assert past("X1000,0:") == "OK"


def test_ctrl_c_stops_with_sigint(debugger: Debugger) -> None:
    debugger.stub.motion.is_interrupted = lambda: True
    assert debugger("vCont;c").startswith("T02thread:")


def test_signals_of_a_continue_are_dropped(debugger: Debugger) -> None:
    assert debugger("vCont;S05:1;C05").startswith("T05thread:1;")


def test_detach_and_kill_end_the_session(debugger: Debugger) -> None:
    for packet, is_killed in (("D", False), ("k", True), ("vKill;1", True)):
        with pytest.raises(Leave) as left:
            debugger(packet)
        assert left.value.is_killed == is_killed


def test_symbols_are_read_as_a_file(debugger: Debugger) -> None:
    assert debugger("qXfer:exec-file:read:1:0,100") == "l/guest"
    assert debugger("vFile:setfs:0") == "F0"
    number = debugger(f"vFile:open:{b'/guest'.hex()},0,0")[1:]
    assert debugger(f"vFile:pread:{number},4,0") == "F4;\x7fELF"
    assert debugger(f"vFile:fstat:{number}").startswith("F40;")
    assert debugger(f"vFile:close:{number}") == "F0"
    assert debugger(f"vFile:pread:{number},4,0") == "F-1,9"


def test_files_of_the_host_are_not_read(debugger: Debugger) -> None:
    for name in ("/etc/passwd", "../../etc/passwd", "/guest/../etc/passwd"):
        assert debugger(f"vFile:open:{name.encode().hex()},0,0") == "F-1,2"
    assert debugger(f"vFile:open:{b'/guest'.hex()},1,0") == "F-1,1e"
