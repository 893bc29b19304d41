"""Registers by name, and as bytes for digests."""

import pytest
from lab import CS64, DS, Lab, cx

from uniSMP.core.registers import architectural_state
from uniSMP.errors import ConfigError

GENERAL = [
    "rax",
    "rcx",
    "rdx",
    "rbx",
    "rsp",
    "rbp",
    "rsi",
    "rdi",
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
]


@pytest.mark.parametrize("name", [*GENERAL, "rip"])
def test_register_that_was_set_reads_back(long_mode: Lab, name: str) -> None:
    long_mode.registers[name] = 0x1234_5678_9ABC
    assert long_mode.registers[name] == getattr(long_mode.registers, name) == 0x1234_5678_9ABC


def test_flags_that_were_set_are_seen_by_the_guest(long_mode: Lab) -> None:
    long_mode.registers["rflags"] = 0xCD7
    long_mode.run("pushfq\npop rax\nhlt")
    assert long_mode.registers["rax"] == 0xCD7
    assert long_mode.registers["rflags"] == 0xCD7


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cs", CS64),
        ("ss", DS),
        ("cr0", 0x8000_0033),
        ("cr4", 0x620),
        ("efer", 0xD01),
        ("dr7", 0x400),
    ],
)
def test_register_of_the_system_is_readable(long_mode: Lab, name: str, expected: int) -> None:
    assert long_mode.registers[name] == expected


def test_mapping_has_each_name_once(long_mode: Lab) -> None:
    names = list(long_mode.registers)
    assert len(names) == len(long_mode.registers) == len(set(names))
    assert all(long_mode.registers[name] >= 0 for name in names)


@pytest.mark.parametrize("name", ["cs", "cr3", "efer", "nonsense"])
def test_register_that_cannot_be_set_is_refused(long_mode: Lab, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        long_mode.registers[name] = 1


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_value_that_does_not_fit_is_refused(long_mode: Lab, value: int) -> None:
    with pytest.raises(ConfigError, match="does not fit"):
        long_mode.registers["rax"] = value


def test_name_that_does_not_exist_is_no_attribute_and_no_key(long_mode: Lab) -> None:
    with pytest.raises(AttributeError):
        _ = long_mode.registers.eax
    with pytest.raises(KeyError):
        _ = long_mode.registers["eax"]


def test_architectural_state_of_equal_cores_is_equal(long_mode: Lab) -> None:
    other = Lab("long")
    source = "mov eax, 5\ncmp eax, 6\nfld1\nhlt"
    long_mode.run(source)
    other.run(source)
    assert architectural_state(long_mode.core) == architectural_state(other.core)


@pytest.mark.parametrize(
    "change",
    [
        "inc rax",
        "stc",
        "std",
        "fld1",
        "pcmpeqd xmm0, xmm0",
        "mov dr0, rsp",
        "mov ds, ax",
        "mov ecx, 0x174\nmov eax, 8\nxor edx, edx\nwrmsr\nxor ecx, ecx\nxor eax, eax",
        "mov ecx, 0x2FF\nmov eax, 6\nxor edx, edx\nwrmsr\nxor ecx, ecx\nxor eax, eax",
    ],
)
def test_architectural_state_shows_a_change(long_mode: Lab, change: str) -> None:
    long_mode.run("xor eax, eax\nxor ecx, ecx\nxor edx, edx\nhlt")
    long_mode.registers["rip"] = 0
    before = architectural_state(long_mode.core)
    long_mode.run(change + "\nhlt")
    long_mode.registers["rip"] = 0
    assert architectural_state(long_mode.core) != before


@pytest.mark.parametrize(
    ("name", "value"), [("is_halted", True), ("waits_for_start", True), ("is_shut_down", True)]
)
def test_architectural_state_shows_the_activity(
    long_mode: Lab,
    name: str,
    value: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    before = architectural_state(long_mode.core)
    setattr(long_mode.core, name, value)
    assert architectural_state(long_mode.core) != before


def test_architectural_state_shows_blocked_nmis_and_the_shadow(long_mode: Lab) -> None:
    plain = architectural_state(long_mode.core)
    long_mode.context.block_nmi()
    blocked = architectural_state(long_mode.core)
    long_mode.context.set_double(cx.HFLAGS, long_mode.context.double(cx.HFLAGS) | cx.HF_INHIBIT_IRQ)
    assert len({plain, blocked, architectural_state(long_mode.core)}) == 3


def test_architectural_state_does_not_depend_on_lazy_flags(long_mode: Lab) -> None:
    """Equal flags computed by different instructions are equal."""
    other = Lab("long")
    long_mode.run("xor eax, eax\nhlt")
    other.run("sub eax, eax\nhlt")
    assert architectural_state(long_mode.core) == architectural_state(other.core)
