"""Results that were merged before."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Generic, Protocol, TypeVar

CACHE_BYTES = 64 << 20
"""Bounds what the cached results of a Ruleset and all made from it hold, about."""


class Cached(Protocol):
    """What a cache keeps."""

    held: int
    """The cache's own: how many bytes it counts for it.

    It is 0 before it is in the cache, and negative after.
    """


T = TypeVar("T", bound=Cached)


class Cache(Generic[T]):
    """Keeps results by the combination of variants that they were merged from.

    A result depends on nothing else, and unchanged variants keep their identity from
    one Ruleset to the next, so all revisions share one cache. To look something up
    takes no lock.
    """

    __slots__ = ("_entries", "_limit", "_lock", "bytes")

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._lock = Lock()
        self._entries: OrderedDict[tuple[int, ...], T] = OrderedDict()
        self.bytes = 0
        """How many are held."""

    def get(self, key: tuple[int, ...]) -> T | None:
        return self._entries.get(key)

    def put(self, key: tuple[int, ...], entry: T, size: int) -> None:
        """Keep an entry for a time; the oldest ones make room. One that is large is not kept."""
        if size > self._limit // 16:
            return
        with self._lock:
            if (old := self._entries.pop(key, None)) is not None:
                self._drop(old)
            entry.held = size
            self._entries[key] = entry
            self.bytes += size
            while self.bytes > self._limit:
                self._drop(self._entries.popitem(last=False)[1])

    def grow(self, entry: T, size: int) -> bool:
        """Count bytes that an entry wants to hold beside its own.

        Return False where there is no room for them, or it is not kept any more.
        """
        with self._lock:
            if entry.held == 0:  # it is its owner's alone
                return True
            if entry.held < 0 or self.bytes + size > self._limit:
                return False
            entry.held += size
            self.bytes += size
            return True

    def _drop(self, entry: T) -> None:
        self.bytes -= entry.held
        entry.held = -1
