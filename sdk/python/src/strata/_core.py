"""All of a client that has threads, locks or connections. A process that was forked
makes another one, from what the parent's knew."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from strata._delivery import FIRST_PAUSE, Delivery
from strata._exposures import Exposures, Memory
from strata._follow.follower import Followed, Follower
from strata._follow.held import Clock, Held, Known
from strata._follow.report import Reporter
from strata._follow.timers import Timers
from strata._gate import GATE
from strata._gen.strata.serving.v1.config_pb import ReportStatusRequest, ReportStatusResponse
from strata._lastgood import Content, Owner, Store, upstream_of
from strata._outbox import Outbox
from strata._running import Running
from strata._settings import Settings, software
from strata._status import State
from strata._transport import HTTPTransport, Server
from strata._view import View

CLOSE_TIMEOUT = 5.0
"""How long all that is left may take to be sent at the end, in seconds."""
_STOP_TIMEOUT = 1.0
"""How long threads may take to end then. Those that do not are left alone."""


@dataclass(frozen=True)
class Times:
    """What differs from this in tests alone."""

    timers: Timers = field(default_factory=Timers)
    clock: Clock = time.monotonic
    first_pause: float = FIRST_PAUSE
    close_timeout: float = CLOSE_TIMEOUT


@dataclass(frozen=True)
class Legacy:
    """What a process that was forked has from its parent."""

    known: Known
    memory: Memory


class Core:
    """Follows a server, reports to it, keeps what came on disk and sends exposures, each
    in a thread of its own that no process waits for."""

    def __init__(self, settings: Settings, times: Times, legacy: Legacy | None = None) -> None:
        self._settings = settings
        self._times = times
        self.log = log = settings.log
        self._server = server = Server(settings.url, settings.signer(), software())
        self.outbox = Outbox(log)
        self.exposures = Exposures(
            Memory() if legacy is None else legacy.memory.copy(), self.outbox
        )
        self._owner = Owner(upstream_of(settings.url), settings.environment, settings.services)
        self._store = None if settings.cache_dir is None else Store(settings.cache_dir, log)
        known = (
            Known(settings.environment, View.empty(), born=times.clock())
            if legacy is None
            else replace(legacy.known, link=None)
        )
        self.held = Held(known, self._keep, log, times.clock)
        self._transports = [HTTPTransport(server) for _ in range(3)]
        streaming, self._reporting, delivering = self._transports
        followed = Followed(
            settings.environment, settings.services, settings.instance, server.client
        )
        self._follower = Follower(followed, self.held, streaming, times.timers, log)
        self._reporter = Reporter(
            self.held, settings.environment, settings.instance, server.client, self._report, log
        )
        self._delivery = Delivery(self.outbox, delivering, server.client, times.first_pause)
        self._threads: list[threading.Thread] = []
        self._sender: threading.Thread | None = None
        self.closed = False
        """Whether it was told to end."""

    def restore(self) -> None:
        """Takes what is on disk. It is for before start."""
        if self._store is not None:
            content = self._store.load(self._owner)
            if content is not None:
                with GATE:
                    self.held.restore(content)

    def start(self) -> None:
        """Begins to follow."""
        self._thread("follow", self._follower.run)
        self._thread("report", self._report_all)
        if self._store is not None:
            self._thread("keep", self._store.run)
        self._sender = self._thread("send", self._delivery.run)

    def _thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=run, name=f"strata-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def _keep(self, known: Known) -> None:
        if self._store is not None and known.active is not None:
            self._store.put(Content(self._owner, known.active.view, known.active_token))

    def _report_all(self) -> None:
        self._reporter.run()
        self._reporting.close()

    def _report(self, request: ReportStatusRequest, timeout: float) -> None:
        self._reporting.call(
            "strata.serving.v1.ConfigService/ReportStatus",
            request,
            ReportStatusResponse,
            timeout=min(timeout, self._times.timers.answer),
        )

    @property
    def running(self) -> Running | None:
        """What is evaluated."""
        return self.held.known.active

    @property
    def state(self) -> State:
        """The state as callers are told."""
        if self.closed:
            return "CLOSED"
        if self.running is None:
            return "NOT_READY"
        return "STALE" if self.held.known.stale(self.held.clock()) else "READY"

    def shut(self) -> None:
        """Has everything end. It does not wait."""
        self.closed = True
        self._follower.stop()
        self._reporter.stop()
        self._reporting.interrupt()
        if self._store is not None:
            self._store.stop()
        self.outbox.close()

    def join(self, until: float) -> None:
        """Waits until what is left was sent, at the latest until then by the monotonic
        clock, and until all threads have ended."""
        if self._sender is not None:
            _join(self._sender, until)
        self._delivery.expire()
        last = max(until, time.monotonic() + _STOP_TIMEOUT)
        for thread in self._threads:
            _join(
                thread,
                min(last, time.monotonic() + _STOP_TIMEOUT)
                if thread.name != "strata-keep"
                else last,
            )
        lost = len(self.outbox)
        if lost:
            self.outbox.remove(lost)
            self.outbox.drop(lost, "the client was closed before they could be sent")

    def legacy(self) -> Legacy:
        """Returns what a process that was forked goes on with."""
        known = self.held.known
        active = None if known.active is None else known.active.of_child()
        return Legacy(replace(known, active=active), self.exposures.memory)

    def abandon(self) -> None:
        """Closes what a process that was forked has in common with its parent, and does
        nothing to the parent's."""
        for transport in self._transports:
            with contextlib.suppress(Exception):
                transport.abandon()


def _join(thread: threading.Thread, until: float) -> None:
    if thread is not threading.current_thread():
        thread.join(max(0.0, until - time.monotonic()))
