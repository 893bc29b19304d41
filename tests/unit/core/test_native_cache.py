"""Whether compiled code can be kept on disk."""

import pytest
from numba.core import caching

from uniSMP.core.native_cache import is_cache_writable


def test_cache_beside_a_writable_module_is_writable() -> None:
    assert is_cache_writable(__file__)


def test_cache_without_any_directory_is_not_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert not is_cache_writable(__file__)
