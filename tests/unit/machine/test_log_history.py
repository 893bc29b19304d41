"""A log as a history is the same as the traced run."""

import numpy as np
import pytest

from uniSMP import Machine, RoundRobin, assemble
from uniSMP.checks.history import Needs
from uniSMP.core.log_decoding import Executed, Recorded
from uniSMP.machine.log_history import Surroundings, history_of
from uniSMP.machine.observation import observe

SOURCE = """
_start:
    cli
    lock add dword ptr [0x2000], 3
    mov dword ptr [0xF0100], 1
    sti
    inc dword ptr [rdi * 4 + 0x2010]
    cli
    hlt
"""
ALL = Needs.ACCESSES | Needs.EVENTS | Needs.FLAGS


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Executed]:
    """Return what is decoded from now on."""
    taken: list[Executed] = []
    decode = Recorded.decode

    def kept(recorded: Recorded) -> Executed:
        taken.append(decode(recorded))
        return taken[-1]

    monkeypatch.setattr(Recorded, "decode", kept)
    return taken


def test_log_as_a_history_equals_the_observed_run(decoded: list[Executed]) -> None:
    with Machine(cores=2, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(assemble(SOURCE))
        _, traced = observe(machine, ALL, RoundRobin(3))
    around = Surroundings(2, traced.memory, traced.symbols, traced.events, is_over=True)
    logged = history_of(decoded[0], around)
    assert logged.accesses is not None
    assert traced.accesses is not None
    assert logged.flags is not None
    assert traced.flags is not None
    assert len(traced.accesses.step) == 8 + 3  # three of the page walker
    pairs = [
        (logged.core, traced.core),
        (logged.rip, traced.rip),
        *(
            (getattr(logged.accesses, name), getattr(traced.accesses, name))
            for name in ("step", "core", "rip", "physical", "linear", "size", "value", "kind")
        ),
        *(
            (getattr(logged.flags, name), getattr(traced.flags, name))
            for name in ("step", "core", "value")
        ),
    ]
    assert [np.array_equal(one, other) for one, other in pairs] == [True] * len(pairs)
    assert (logged.first_step, logged.end_step) == (0, traced.end_step)
