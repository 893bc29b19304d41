"""Whether compiled code can be kept on disk."""

from pathlib import Path

import pytest
from numba.core import caching

from uniSMP import native_cache
from uniSMP.native_cache import is_cache_writable


def test_cache_beside_a_writable_module_is_writable() -> None:
    assert is_cache_writable(__file__)


def test_cache_without_any_directory_is_not_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert not is_cache_writable(__file__)


def test_code_compiled_from_other_sources_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outdated = tmp_path / "native.run-1.py311.nbi"
    outdated.write_bytes(b"")
    native_cache._refresh.cache_clear()
    native_cache._refresh(tmp_path, tmp_path)
    assert not outdated.exists()
    outdated.write_bytes(b"")
    native_cache._refresh.cache_clear()
    native_cache._refresh(tmp_path, tmp_path)
    assert outdated.exists()
    monkeypatch.setattr(native_cache, "_source_stamp", lambda _room: "newer")
    native_cache._refresh.cache_clear()
    native_cache._refresh(tmp_path, tmp_path)
    assert not outdated.exists()


def test_directory_that_cannot_be_written_to_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_directory: Path, _room: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(native_cache, "_refresh", refuse)
    assert native_cache.cache_directory(__file__) is None


def test_other_sources_in_the_room_are_other_sources(tmp_path: Path) -> None:
    before = native_cache._source_stamp(tmp_path)
    (tmp_path / "module.py").write_text("pass")
    native_cache._source_stamp.cache_clear()
    assert native_cache._source_stamp(tmp_path) != before
