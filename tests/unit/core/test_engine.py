"""The engine: the build that is accepted, mappings, and what is kept beside the state."""

from collections.abc import Iterator

import numpy as np
import pytest
import unicorn
from lab import CODE, DATA, WINDOW, Lab, cx

from uniSMP.core import engine as engine_module
from uniSMP.core import engine_build, native
from uniSMP.core.engine import Engine, HostRegion
from uniSMP.errors import EngineError


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Forget that this build was checked, before and after."""
    engine_build.check.cache_clear()
    yield monkeypatch
    engine_build.check.cache_clear()


def test_build_that_is_pinned_is_accepted(unchecked: pytest.MonkeyPatch) -> None:
    engine_build.check()
    engine_build.check()
    assert engine_build.check.cache_info().hits == 1
    assert unchecked is not None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SUPPORTED_VERSION", "9.9.9", "version 9.9.9 is needed"),
        ("_CONTEXT_BYTES", 1, "context has another size"),
        ("ENV_IN_CPU", 35400, "the CPU state differs at offset"),
        ("CPU_POINTER", 1 << 46, "not where it should be"),
    ],
)
def test_build_that_differs_is_refused(
    unchecked: pytest.MonkeyPatch, name: str, value: object, message: str
) -> None:
    unchecked.setattr(engine_build, name, value)
    with pytest.raises(EngineError, match=message) as caught:
        engine_build.check()
    assert "unsupported build of Unicorn" in str(caught.value)


def test_build_with_another_cpu_object_is_refused(unchecked: pytest.MonkeyPatch) -> None:
    unchecked.setattr(native, "NEXT_BLOCK_FLAGS", 8)
    with pytest.raises(EngineError, match="laid out differently"):
        engine_build.check()


def test_function_that_is_not_exported_is_refused() -> None:
    with pytest.raises(EngineError, match="no_such_function is not exported"):
        engine_build.function("no_such_function")


def test_device_range_that_overlaps_memory_is_refused() -> None:
    memory = np.zeros(4096, dtype=np.uint64)
    address = memory.ctypes.data + (-memory.ctypes.data % 4096)
    with pytest.raises(EngineError, match="cannot map devices at 0x0"):
        Engine([HostRegion(0, 4096, address)], [(0, 4096)])


def test_hook_that_the_library_refuses_is_an_error(
    long_mode: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_hook_add", lambda *_arguments: 1)
    with pytest.raises(EngineError, match="cannot add a hook"):
        long_mode.engine._hook(1 << 30, native.on_block)


def test_code_address_that_is_not_mapped_translates_to_minus_1(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    assert long_mode.engine.translate_code(WINDOW + 5) == DATA + 5
    assert long_mode.engine.translate_code(WINDOW + 0x1000) == -1


def test_flags_are_folded_in(long_mode: Lab) -> None:
    long_mode.run("xor eax, eax\nstd\nhlt")
    assert long_mode.engine.full_flags() == 0x446


def test_retired_is_what_the_core_counts(long_mode: Lab) -> None:
    long_mode.run("nop\nnop\nhlt")
    assert long_mode.engine.retired == long_mode.core.retired == 3


def test_extended_state_shows_x87_and_sse_registers(long_mode: Lab) -> None:
    before = long_mode.engine.extended_state()
    long_mode.run("fld1\npcmpeqd xmm3, xmm3\nhlt")
    after = long_mode.engine.extended_state()
    assert before != after
    assert (1 << 128) - 1 in after


def test_extended_state_after_a_reset_is_that_of_power_on(long_mode: Lab) -> None:
    before = long_mode.engine.extended_state()
    long_mode.run("fld1\npcmpeqd xmm3, xmm3\nhlt")
    long_mode.engine.reset_extended_state()
    assert long_mode.engine.extended_state() == before


@pytest.mark.parametrize("value", [5, (3, 0x3FFF)])
def test_register_value_is_one_integer(value: object) -> None:
    assert engine_module._as_integer(value) in {5, 0x3FFF << 64 | 3}


@pytest.mark.parametrize("place", [0x2_0000, 0xE_F000, CODE, 0x1D_0000])
def test_invalidated_code_is_translated_anew(long_mode: Lab, place: int) -> None:
    """The library counts through its regions: below and above the ROM it goes by other numbers."""
    ram = long_mode.machine._ram
    ram.write(place, bytes.fromhex("b801000000f4"))
    long_mode.registers["rip"] = place
    long_mode.run()
    ram.write(place, bytes.fromhex("b802000000f4"))
    long_mode.engine.invalidate_code(place, place + 63)
    long_mode.registers["rip"] = place
    long_mode.run()
    assert long_mode.registers["rax"] == 2


def test_code_page_outside_ram_can_be_protected(long_mode: Lab) -> None:
    long_mode.engine.protect_code_page(0xFFFF0)
    long_mode.engine.protect_code_page(0xFFFF0)
    assert 0xFFFF0 in long_mode.engine._protected


def test_stores_to_rom_are_dropped(long_mode: Lab) -> None:
    before = long_mode.memory.read(0xF_FFF0, 4)
    long_mode.run("mov ebx, 0xFFFF0\nmov dword ptr [rbx], 0x12345678\nmov eax, [rbx]\nhlt")
    assert long_mode.memory.read(0xF_FFF0, 4) == before
    assert long_mode.registers["rax"] == int.from_bytes(before, "little")


def test_code_in_rom_runs(real_mode: Lab) -> None:
    real_mode.context.set_segment(cx.CS, cx.Segment(0xF000, 0xFFFF_0000, 0xFFFF, 0x9B00))
    real_mode.registers["rip"] = 0xFFF0
    assert real_mode.core.run(2).name == "BUDGET"
    assert real_mode.core.retired == 2
    assert real_mode.context.linear_rip < 0x10_0000


def test_version_of_the_library_is_the_pinned_one() -> None:
    assert unicorn.__version__ == "2.1.4"
