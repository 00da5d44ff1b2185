"""Tells callers what changes, one change after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable

from strata._core import Core
from strata._engine import Ruleset, changed
from strata._follow.timers import PATIENCE
from strata._running import Running
from strata._status import Change, State

Listener = Callable[[Change], None]


class Changes:
    """Calls listeners in a thread, which begins with the first of them. Changes that
    come while one is told are merged into the next one."""

    def __init__(self, core: Core, listeners: dict[object, Listener] | None = None) -> None:
        self._core = core
        self._lock = threading.Lock()  # of the thread
        self._thread: threading.Thread | None = None
        self.listeners: dict[object, Listener] = {} if listeners is None else listeners
        """By what only their stop knows. A process that was forked goes on with the same
        dict, which needs no lock, so that a stop of the parent's holds there as well."""

    def add(self, listener: Listener) -> Callable[[], None]:
        """Has a function called after each change from now on, until what is returned
        is called."""
        name = object()
        self.listeners[name] = listener
        self.start()

        def stop() -> None:
            self.listeners.pop(name, None)

        return stop

    def start(self) -> None:
        """Begins to tell those that there are."""
        with self._lock:
            if self._thread is None and self.listeners:
                told = self._moment()
                thread = threading.Thread(
                    target=self._run, args=(told,), name="strata-changes", daemon=True
                )
                thread.start()
                self._thread = thread  # from here on it can be waited for

    def join(self, timeout: float) -> None:
        """Waits until the last change was told."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _moment(self) -> tuple[Running | None, State]:
        return self._core.running, self._core.state

    def _run(self, told: tuple[Running | None, State]) -> None:
        condition = self._core.held.changed
        while True:
            with condition:
                now = self._moment()
                if now == told:
                    if now[1] == "CLOSED":
                        return
                    condition.wait(self._until_stale() if now[1] == "READY" else None)
                    continue
            self._tell(told, now)
            told = now

    def _until_stale(self) -> float | None:
        known = self._core.held.known
        if known.heard is None:
            return None
        return max(0.0, known.heard + PATIENCE * known.heartbeat - self._core.held.clock())

    def _tell(
        self, before: tuple[Running | None, State], now: tuple[Running | None, State]
    ) -> None:
        listeners = tuple(self.listeners.items())
        if not listeners:
            return
        keys: tuple[str, ...] = ()
        if before[0] is not now[0]:
            keys = tuple(changed(_rules(before[0]), _rules(now[0])))
        change = Change(_revision(before[0]), _revision(now[0]), before[1], now[1], keys)
        for name, listener in listeners:
            if name not in self.listeners:
                continue  # it was stopped meanwhile
            try:
                listener(change)
            except BaseException:  # or one that exits, or was cancelled, would silence all
                self._core.log.exception("a function that was to be told of a change has failed")


def _rules(running: Running | None) -> Ruleset | None:
    return None if running is None else running.rules


def _revision(running: Running | None) -> int:
    return 0 if running is None else running.view.position.revision
