"""The cache is bounded by memory and lets go of the longest unused."""

from __future__ import annotations

from services.stager.store import Kept
from services.stager.worker.cache import ENTRY_OVERHEAD_BYTES, ProfileCache


def _kept(size: int = 100) -> Kept:
    return Kept(b"x" * size, None, historical=False)


def test_the_longest_unused_goes_first() -> None:
    cache = ProfileCache(bytes_max=2 * (100 + ENTRY_OVERHEAD_BYTES))
    for name in ("ada", "bob", "ada", "cyd"):
        cache.put(name, _kept())
    cache.trim()
    assert [cache.get(name) is None for name in ("ada", "bob", "cyd")] == [False, True, False]


def test_nothing_goes_before_trim() -> None:
    cache = ProfileCache(bytes_max=1)
    cache.put("ada", _kept())
    assert cache.get("ada") is not None


def test_a_dropped_profile_gives_its_memory_back() -> None:
    cache = ProfileCache(bytes_max=100 + ENTRY_OVERHEAD_BYTES)
    cache.put("ada", _kept(10_000))
    cache.drop(["ada", "unknown"])
    cache.put("bob", _kept(100))
    cache.trim()
    assert cache.get("bob") is not None
