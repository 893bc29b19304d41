"""Stores to executable pages are fast, and code is noticed all the same."""

import numpy as np
import pytest

from uniSMP import Machine, Outcome, RoundRobin, assemble
from uniSMP.core import engine_build, native_tlb
from uniSMP.core import native_state as ns

STORES = """
_start:
    mov ecx, 100000
again:
    mov [0x200000], rcx
    dec ecx
    jnz again
    mov word ptr [0x200000], 0x22B3         # mov bl, 0x22
    mov byte ptr [0x200002], 0xC3
    mov eax, 0x200000
    call rax
    mov [0x3000], bl
    mov byte ptr [0x200001], 0x33           # by a store that was fast before
    call rax
    mov [0x3001], bl
    xor eax, eax
    out 0xF4, al
"""


def marks(machine: Machine) -> int:
    return native_tlb._strip(machine._cores[0].engine.state)


def test_tlb_of_the_pinned_build_is_known() -> None:
    assert engine_build.has_known_tlb()


@pytest.mark.parametrize("offset", ["STORE", "PHYSICAL", "ADDEND"])
def test_tlb_that_differs_is_left_alone(monkeypatch: pytest.MonkeyPatch, offset: str) -> None:
    monkeypatch.setattr(native_tlb, offset, 6)
    engine_build.has_known_tlb.cache_clear()
    assert not engine_build.has_known_tlb()
    with Machine(cores=1, boot="long") as machine:
        assert machine._cores[0].engine.state[ns.CODE_PAGES] == 0
    engine_build.has_known_tlb.cache_clear()


def test_mark_is_taken_from_data_and_kept_on_code() -> None:
    with Machine(cores=1, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(assemble(STORES))
        machine.run(max_instructions=50_000)
        assert marks(machine) == 0
        result = machine.run(RoundRobin(1 << 32))
        assert result.outcome is Outcome.FINISHED
        assert machine.memory.read(0x3000, 2) == bytes([0x22, 0x33])
        marks(machine)
        state = machine._cores[0].engine.state
        code = np.ctypeslib.as_array(machine._coherence._is_code)
        assert code[0x200]
        assert state[ns.RAM_PAGES] == len(code)
