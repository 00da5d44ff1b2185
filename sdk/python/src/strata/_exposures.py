"""Who met which variant: each once in its window of revisions."""

from __future__ import annotations

import threading

from strata._engine import Match, Reading, Result, slot
from strata._outbox import Met, Outbox
from strata._running import MAX_KEY_BYTES, Running, sendable

GENERATION = 50_000
"""How many meetings are remembered at least; twice as many at most."""

_MAX_PATH_BYTES = 4096
_MAX_SERVICE_BYTES = 256


class Memory:
    """Remembers meetings: the latest, and about as many before them. It is safe for
    concurrent use.

    Of a meeting only its hash is kept, so that 100,000 of them take a few megabytes;
    that two of them are taken for one is as likely as one in a hundred million.
    """

    def __init__(self, generation: int = GENERATION) -> None:
        self._generation = generation
        self._lock = threading.Lock()
        self._latest: set[int] = set()
        self._previous: set[int] = set()

    def copy(self) -> Memory:
        """Returns another one that remembers the same, with a lock of its own."""
        other = Memory(self._generation)
        other._latest, other._previous = set(self._latest), set(self._previous)
        return other

    def again(self, match: Match, key: str, hidden: bool) -> bool:
        """Reports whether a meeting need not be recorded, and remembers it."""
        if hidden:
            seen = _meeting(match, key, hidden=False)
            if seen in self._latest or seen in self._previous:
                return True  # it was recorded when it was not hidden, which says more
        meeting = _meeting(match, key, hidden)
        if meeting in self._latest:  # without the lock, as nearly all are
            return True
        with self._lock:
            if meeting in self._latest:
                return True
            known = meeting in self._previous
            if len(self._latest) >= self._generation:
                self._previous, self._latest = self._latest, set()
            self._latest.add(meeting)
            return known

    def forget(self, match: Match, key: str, hidden: bool) -> None:
        """Has a meeting recorded the next time."""
        with self._lock:
            self._latest.discard(_meeting(match, key, hidden))


def _meeting(match: Match, key: str, hidden: bool) -> int:
    return hash((match.hash_key, key, match.layer_id, match.eid, match.vid, match.window, hidden))


class Exposures:
    """Records exposures. It is safe for concurrent use."""

    def __init__(self, memory: Memory, outbox: Outbox) -> None:
        self.memory = memory
        self._outbox = outbox

    def record(self, running: Running, service: str, result: Result, reading: Reading) -> None:
        """Records the matches that a reading exposes."""
        for hidden, indexes in ((False, reading.exposed), (True, reading.hidden)):
            for index in indexes:
                match = result.matches[index]
                key = result.key(match.hash_key)
                if key is not None and not self.memory.again(match, key, hidden):
                    self._put(running, service, match, key, reading.path, hidden)

    def _put(
        self, running: Running, service: str, match: Match, key: str, path: str, hidden: bool
    ) -> None:
        if not (
            sendable(key, MAX_KEY_BYTES)
            and sendable(path, _MAX_PATH_BYTES)
            and sendable(service, _MAX_SERVICE_BYTES)
        ):
            self._outbox.drop(1, "a key, path or service is not UTF-8, or too long to be sent")
            return
        position = running.view.position
        put = self._outbox.put(
            Met(
                service=service,
                layer_id=match.layer_id,
                hash_key=match.hash_key,
                key=key,
                slot=slot(match.salt, key),
                eid=match.eid,
                vid=match.vid,
                epoch=position.epoch,
                revision=position.revision,
                path=path,
                hidden=hidden,
            )
        )
        if not put:
            self.memory.forget(match, key, hidden)
