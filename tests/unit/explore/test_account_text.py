"""Accounts as text: what is said, and that it fits."""

from dataclasses import replace

import pytest

from uniSMP.checks.history import Violation
from uniSMP.explore.account import Account, Part
from uniSMP.explore.account_text import as_text
from uniSMP.explore.schedule import NMI
from uniSMP.explore.standing import Standing, Word
from uniSMP.explore.telling import Line, number

LINE = Line(0, 7, 0x1000, "take+0x4", "lock.asm:9", "mov eax, [0x2000]", ("word is 1",))
PART = Part(1, 7, 1, None, None, (LINE,), 0)
CORE = Standing(1, "can go on", 0x1004, "take+0x8", "lock.asm:10", "ret", True, False, None, ())  # noqa: FBT003
ACCOUNT = Account(
    target="guest",
    violation=Violation("exclusion", "two at once", 107, 1, ("exclusion",)),
    is_minimal=True,
    scene_step=100,
    switches=1,
    deliveries=0,
    parts=(PART,),
    cores=(CORE,),
    ending=None,
)


def test_a_plain_account_is_as_plain_as_this() -> None:
    assert as_text(ACCOUNT) == (
        "guest: exclusion: two at once\n"
        "1 slice, 1 switch (no switch can be dropped), 0 interrupts accepted, 1 instruction from "
        "step 100 on\n"
        "\n"
        "1. core 1 runs 1 instruction, from step 107\n"
        "    take:\n"
        "      7  lock.asm:9                 mov eax, [0x2000]               ; word is 1\n"
        "\n"
        "In the end\n"
        "  core 1 can go on at take+0x8 (lock.asm:10), IF=1\n"
        "    next: ret\n"
    )


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (replace(PART, accepts=0x41), "1. core 1 accepts interrupt 0x41 and runs 1 instruction, "),
        (replace(PART, accepts=NMI), "1. core 1 accepts the NMI and runs 1 instruction, "),
        (replace(PART, accepts=0x41, instructions=0), "accepts interrupt 0x41 and stops, from"),
        (replace(PART, holds_back=0x45), "from step 107; interrupt 0x45 is held back\n"),
        (replace(PART, skipped=2), "\n        ... 2 instructions\n"),
        (
            replace(PART, lines=(replace(LINE, skipped=1),)),
            "\n        ... 1 instruction\n    take:",
        ),
    ],
)
def test_a_slice_says_what_happens_in_it(part: Part, text: str) -> None:
    assert text in as_text(replace(ACCOUNT, parts=(part,)))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"is_minimal": False}, "1 switch (not known to be minimal)"),
        ({"switches": 2, "deliveries": 1}, "2 switches (no switch can be dropped), 1 interrupt "),
        ({"ending": "the guest wrote 1"}, "\nIn the end: the guest wrote 1\n"),
    ],
)
def test_the_head_and_the_end_say_what_is_known(changes: dict[str, object], text: str) -> None:
    assert text in as_text(replace(ACCOUNT, **changes))


def test_what_a_core_waits_for_is_told() -> None:
    shared = Word("word", 0x2000, 4, 17, is_shared=True, is_compared=True)
    alone = replace(shared, name="other", value=3, is_shared=False)
    waiting = replace(CORE, state="spins", pending=0x45, waits=(shared, alone))
    text = as_text(replace(ACCOUNT, cores=(waiting,)))
    assert "core 1 spins at take+0x8 (lock.asm:10), IF=1, interrupt 0x45 is pending\n" in text
    assert "    waits for word (4 bytes at 0x2000) to be other than 0x11\n" in text
    assert "to be other than 3, which no other core has accessed\n" in text


def test_everything_fits_whatever_the_names_are() -> None:
    long = "a_very_long_name_for_a_label_" * 5
    line = replace(LINE, place=long, source=f"{long}.asm:123456", text=f"mov eax, [{long}]")
    told = replace(line, notes=(f"{long}: 0 -> 1", f"{long} = 2", "interrupt for core 3"))
    word = Word(long, 1 << 40, 8, 1 << 63, is_shared=False, is_compared=False)
    core = replace(CORE, place=long, source=f"{long}.asm:9", text=f"jmp {long}", waits=(word,))
    account = replace(
        ACCOUNT,
        target=long,
        violation=replace(ACCOUNT.violation, summary=f"{long} and {long}"),
        parts=(replace(PART, lines=(line, told)),),
        cores=(core,),
        ending=long,
    )
    text = as_text(account)
    assert max(map(len, text.splitlines())) <= 100
    assert "interrupt for core 3" in text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (9, "9"), (10, "0xa"), (1 << 63, f"{1 << 63:#x}")]
)
def test_numbers_are_hexadecimal_from_ten_on(value: int, text: str) -> None:
    assert number(value) == text
