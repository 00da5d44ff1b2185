"""What a follower has and knows."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from strata._follow.ending import Cause, Ended, Ending
from strata._follow.timers import DEFAULT_HEARTBEAT, PATIENCE
from strata._gen.strata.serving.v1.config_pb import PlaneState
from strata._lastgood import Content
from strata._running import Running
from strata._view import Position, View, ViewFault, ViewFaults

Clock = Callable[[], float]


@dataclass(frozen=True)
class Link:
    """A stream that has begun, or a time of fetching."""

    stream: str
    """Its name, empty if fetched."""
    heartbeat: float
    """In seconds, as all times here."""
    report: float
    """How often status may be reported at most."""


@dataclass(frozen=True)
class Known:
    """What is held at a time. It never changes, so that whoever has it, be it a
    process that was forked in the middle of something, has it whole."""

    environment: str
    """As servers name it, empty if none has."""
    replicated: View
    """The newest configuration that was received whole; what the server goes on from."""
    token: bytes = b""
    """To go on from there."""
    active: Running | None = None
    """The one that runs."""
    active_token: bytes = b""
    faults: tuple[ViewFault, ...] = ()
    """Why replicated is not active, empty if it is."""
    link: Link | None = None
    error: str = ""
    """Why the last stream has ended, empty once the next one goes well."""
    heard: float | None = None
    """When something valid came last, by the monotonic clock."""
    heartbeat: float = DEFAULT_HEARTBEAT
    """As the server has said last."""
    confirmed: float | None = None
    """When replicated was the newest configuration, for certain."""
    born: float = field(default_factory=time.monotonic)

    def runs(self, view: View) -> bool:
        """Reports whether a configuration is the one that runs."""
        return self.active is not None and self.active.view is view

    def stale(self, now: float) -> bool:
        """Reports whether nothing was heard for too long."""
        return self.heard is None or now - self.heard >= PATIENCE * self.heartbeat

    def stale_for(self, now: float) -> float:
        """Returns for how long nobody has confirmed that nothing is newer."""
        return max(0.0, now - (self.born if self.confirmed is None else self.confirmed))

    def state(self, now: float) -> PlaneState:
        """Returns the state as servers are told."""
        if self.replicated.position == Position():
            return PlaneState.UNSPECIFIED
        if self.faults:
            return PlaneState.REJECTED
        return PlaneState.STALE if self.stale(now) else PlaneState.SYNCED


class Held:
    """Keeps what is known, and tells those who wait for changes.

    One thread changes it. Keep has what runs written to disk.
    """

    def __init__(
        self,
        known: Known,
        keep: Callable[[Known], None],
        log: logging.Logger,
        clock: Clock = time.monotonic,
    ) -> None:
        self._keep = keep
        self._log = log
        self.clock = clock
        self.changed = threading.Condition()
        """Is notified of each change of what is known, but for times."""
        self.known = known
        """Is replaced as a whole, while the condition's lock is held. It may be read
        at any time."""

    def _replace(self, known: Known) -> None:
        with self.changed:
            self.known = known
            self.changed.notify_all()

    def join(self, asked: str, served: str) -> None:
        """Checks that a server has the environment that is followed."""
        known = self.known
        if known.environment and served != known.environment:
            why = f"the server sends the environment {served!r}, followed is {known.environment!r}"
            raise Ended(Ending(Cause.REFUSED, why))
        if not asked and not served:
            raise Ended(Ending(Cause.REFUSED, "the server does not say which environment it sends"))
        self._replace(replace(known, environment=served))

    def opened(self, link: Link) -> None:
        """Notes that a stream has begun."""
        self._replace(replace(self.known, link=link, heartbeat=link.heartbeat))

    def ended(self, ending: Ending) -> None:
        """Notes that a stream has ended."""
        error = self.known.error if ending.cause is Cause.DUE else ending.error
        self._replace(replace(self.known, link=None, error=error))

    def hear(self) -> None:
        """Notes that something valid has come."""
        # Whoever waits for the silence to become too long must not see its end before
        # what ends it.
        with self.changed:
            now = self.clock()
            stale = self.known.stale(now)
            self.known = replace(self.known, heard=now)
            if stale:
                self.changed.notify_all()

    def confirm(self, ago: float) -> None:
        """Notes that so long ago what was replicated last was the newest."""
        known = self.known
        at = self.clock() - ago
        if known.confirmed is not None:
            at = max(at, known.confirmed)
        self._replace(replace(known, confirmed=at, error=""))

    def take(self, view: View, token: bytes) -> None:
        """Takes a configuration that was received whole."""
        known = self.known
        current = known.replicated
        if view.position == current.position and view.hash == current.hash:
            active_token = token if known.runs(current) else known.active_token
            self._replace(replace(known, token=token, active_token=active_token))
            return
        # Rejected or not, the next update starts from it: the server does not send
        # it again.
        known = self._run(replace(known, replicated=view, token=token, error=""))
        self._replace(known)
        if not known.faults:
            self._keep(known)

    def restore(self, content: Content) -> bool:
        """Takes what was kept on disk, and reports whether it runs."""
        known = self._run(replace(self.known, replicated=content.view, token=content.token))
        self._replace(known)
        return not known.faults

    def _run(self, known: Known) -> Known:
        """Has what is replicated run, if it can, and else what did go on."""
        view = known.replicated
        try:
            running = Running.of(known.active, view)
        except ViewFaults as error:
            self._log.error(
                "a configuration can not be run, the one before goes on: %s: %s",
                view.position,
                error,
            )
            return replace(known, faults=error.faults)
        except Exception as error:
            # What comes over the network must not end what runs.
            self._log.exception("a configuration can not be compiled, the one before goes on")
            fault = ViewFault(None, f"{type(error).__name__}: {error}")
            return replace(known, faults=(fault,))
        self._log.info("a configuration is active: %s", view.position)
        return replace(known, active=running, active_token=known.token, faults=())
