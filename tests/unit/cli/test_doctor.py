"""`unismp doctor`."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from uniSMP import native_cache
from uniSMP.cli import doctor
from uniSMP.core import engine_build
from uniSMP.memory import page_tracking

Unismp = Callable[..., Any]


def findings(unismp: Unismp) -> tuple[int, dict[str, dict[str, str]]]:
    call = unismp("doctor", "--json")
    report = json.loads(call.out)
    assert report["works"] is (call.status == 0)
    return call.status, {each["subject"]: each for each in report["findings"]}


def test_doctor_of_a_good_installation_finds_nothing_broken(unismp: Unismp) -> None:
    status, found = findings(unismp)
    assert status == 0
    assert "2.1.4" in found["Unicorn"]["value"]
    assert found["trial run"]["verdict"] == "ok"


def test_doctor_shows_a_line_for_each_check(unismp: Unismp) -> None:
    call = unismp("doctor")
    assert call.status == 0
    assert all(subject in call.out for subject, _ in doctor._CHECKS)


def test_doctor_names_the_portable_scheme_as_slow(
    unismp: Unismp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNISMP_COHERENCE", "portable")
    status, found = findings(unismp)
    assert (status, found["code coherence"]["verdict"]) == (0, "slow")
    assert "UNISMP_COHERENCE" in found["code coherence"]["advice"]


def test_doctor_finds_a_forced_scheme_that_does_not_exist(
    unismp: Unismp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNISMP_COHERENCE", "quick")
    status, found = findings(unismp)
    assert (status, found["code coherence"]["verdict"]) == (1, "broken")


def test_doctor_of_a_build_without_the_fast_functions_is_slow(
    unismp: Unismp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_build, "_FAST_FUNCTIONS", ("no_such_function",))
    assert findings(unismp)[1]["code coherence"]["verdict"] == "slow"


def test_doctor_without_cache_tlb_and_page_tracking_says_what_is_slow(
    unismp: Unismp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_cache, "cache_directory", lambda _file: None)
    monkeypatch.setattr(engine_build, "has_known_tlb", lambda: False)
    monkeypatch.setattr(page_tracking, "missing", lambda: "userfaultfd: Function not implemented")
    status, found = findings(unismp)
    assert status == 0
    assert found["cache of compiled code"]["verdict"] == "slow"
    assert found["engine TLB"]["verdict"] == "slow"
    assert found["written pages"]["verdict"] == "missing"


def test_doctor_of_another_engine_is_status_1(
    unismp: Unismp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unicorn.__version__", "2.0.0")
    engine_build.check.cache_clear()
    status, found = findings(unismp)
    assert (status, found["Unicorn"]["verdict"]) == (1, "broken")
    assert "2.1.4" in found["Unicorn"]["advice"]
