"""Exposures and events that wait to be sent."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAX_WAITING = 10_000
"""How many entries wait to be sent."""
BATCH_ENTRIES = 500
"""A batch is sent when there are so many..."""
BATCH_DELAY = 5.0
"""...or when its first entry has waited for so long, in seconds."""
_BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Met:
    """That somebody met a variant, as in strata.serving.v1.Exposure."""

    service: str
    layer_id: str
    hash_key: str
    key: str
    slot: int
    eid: int
    vid: int
    epoch: int
    revision: int
    path: str
    hidden: bool

    @property
    def size(self) -> int:
        """About how many bytes it takes to send."""
        return 100 + len(self.service) + len(self.layer_id) + len(self.key) + len(self.path)


@dataclass(frozen=True, slots=True)
class Did:
    """That somebody did something, as in strata.serving.v1.Event."""

    name: str
    units: Mapping[str, str]
    value: float | None
    properties: str
    """As JSON; empty if there are none."""

    @property
    def size(self) -> int:
        """About how many bytes it takes to send."""
        return 100 + sum(map(len, self.units.values())) + len(self.properties)


@dataclass(frozen=True, slots=True)
class Entry:
    """What waits. It is made to a message when it is sent, so that nobody who evaluates
    waits at the gate."""

    content: Met | Did
    insert_id: str
    nanos: int
    """When it was put, since 1970."""
    since: float
    """The same by the monotonic clock."""


class Outbox:
    """Holds entries until they are sent. Nobody who puts something in waits for that.
    It is safe for concurrent use."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._prefix = secrets.token_hex(12) + "-"  # of insert_ids
        self._waiting: deque[Entry] = deque()  # the oldest first; what is being sent is still there
        self._count = 0  # of all that was put
        self._told: set[str] = set()  # why entries were dropped, as far as the log knows
        self._shut = False
        self.changed = threading.Condition()
        """Is notified when there may be a batch, when the outbox is shut, and when
        something is dropped."""
        self.dropped = 0
        """How many entries were not sent."""

    @property
    def shut(self) -> bool:
        """Whether all that is put is dropped."""
        return self._shut

    def put(self, content: Met | Did) -> bool:
        """Adds an exposure or an event. It reports false for what is too much, which is
        dropped."""
        with self.changed:
            if not self._shut and len(self._waiting) < MAX_WAITING:
                self._count += 1
                insert_id = self._prefix + str(self._count)
                self._waiting.append(Entry(content, insert_id, time.time_ns(), self._clock()))
                if len(self._waiting) in (1, BATCH_ENTRIES):
                    self.changed.notify_all()
                return True
        if self._shut:
            self.drop(1, "the client is closed", logging.DEBUG)
        else:
            self.drop(1, "too many wait to be sent")
        return False

    def drop(self, count: int, why: str, level: int = logging.WARNING) -> None:
        """Counts what is not sent, and logs the first of each reason."""
        with self.changed:
            self.dropped += count
            first = why not in self._told
            self._told.add(why)
            self.changed.notify_all()
        if first:
            self._log.log(
                level,
                "exposures or events are dropped "
                "(it is counted from now on, and not logged again): %s",
                why,
            )

    def batch(self) -> tuple[list[Entry], float]:
        """Returns what is to be sent next, and in how many seconds that is due: 0 if it
        is as much as a batch may be. They stay where they are."""
        with self.changed:
            entries = [self._waiting[i] for i in range(min(len(self._waiting), BATCH_ENTRIES))]
        size = 0
        for i, entry in enumerate(entries):
            size += entry.content.size
            if i > 0 and size > _BATCH_BYTES:
                return entries[:i], 0
        if not entries:
            return [], 0
        full = len(entries) == BATCH_ENTRIES
        return entries, 0 if full else max(0.0, entries[0].since + BATCH_DELAY - self._clock())

    def remove(self, count: int) -> None:
        """Takes out the first entries."""
        with self.changed:
            for _ in range(min(count, len(self._waiting))):  # the closing may have taken some
                self._waiting.popleft()

    def close(self) -> None:
        """Has put drop everything from now on."""
        with self.changed:
            self._shut = True
            self.changed.notify_all()

    def __len__(self) -> int:
        return len(self._waiting)
