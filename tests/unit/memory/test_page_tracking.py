"""What the kernel can tell of written pages."""

import ctypes

import pytest

from uniSMP.memory import page_tracking


def test_answer_is_a_reason_or_none() -> None:
    assert page_tracking.missing() is None or "userfaultfd" in str(page_tracking.missing())


def test_kernel_without_the_system_call_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_tracking, "_USERFAULTFD", 100_000)
    assert page_tracking.missing() == "userfaultfd: Function not implemented"


@pytest.mark.parametrize("request_name", ["_UFFDIO_API", "_UFFDIO_REGISTER", "_PAGEMAP_SCAN"])
def test_kernel_without_a_request_is_named(
    monkeypatch: pytest.MonkeyPatch, request_name: str
) -> None:
    monkeypatch.setattr(page_tracking, request_name, 0x1234)
    assert page_tracking.missing() is not None


def test_words_are_64_bits_each() -> None:
    assert ctypes.sizeof(page_tracking._words(1, 2, 3)) == 24
