"""The client of programs that wait in threads, or not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from strata import _process
from strata._changes import Changes
from strata._core import Core, Times
from strata._engine import Explanation
from strata._evaluation import Context, Evaluation, evaluate
from strata._event import Event, EventError, content_of
from strata._running import NO_RULES
from strata._settings import Settings, resolve
from strata._status import Change, Status


class Client:
    """Answers which parameters users get.

    It follows an environment's configuration in the background until it is closed,
    and evaluates in the process: no evaluation waits for anything. A process needs
    one for each environment. It is safe for concurrent use.

    A process that is forked gets a client of its own from it, which has what the
    parent had, and begins to follow when it is first used. At the end of the process
    what is left to be sent is sent, for 5 s at most.

    What is left out comes from the environment variable that is named. The URL is the
    only setting that is needed. Settings that can not be right raise ValueError, or
    TypeError; nothing does after that, but ready.

    Args:
        url: where the data plane is, such as "https://strata.example.com": STRATA_URL.
        access_key: with secret_key signs what is sent: STRATA_ACCESS_KEY. It may be
            left out, as the secret key has it.
        secret_key: STRATA_SECRET_KEY. Without both nothing is signed.
        environment: what is followed: STRATA_ENVIRONMENT. Empty is the one that the
            data plane serves; it must not be empty with a cache_dir.
        services: if not empty, those that are followed alone: at most 1,000, of 1 to
            256 bytes each. Others are not known then.
        cache_dir: the folder that the last configuration is kept in, so that the next
            start needs no server: STRATA_CACHE_DIR. It is made when it is first
            written to; processes of the same settings may share it.
        instance: tells this client from all others, in at most 256 bytes. Empty is the
            host's name with something random.
        audience: the name of the server that signatures are for. Empty is
            "data-plane", which data planes take; control planes are "control-plane".
        log: is told what happens to the connection. None is the logger "strata".
    """

    def __init__(
        self,
        *,
        url: str = "",
        access_key: str = "",
        secret_key: str = "",
        environment: str = "",
        services: Iterable[str] = (),
        cache_dir: str | os.PathLike[str] = "",
        instance: str = "",
        audience: str = "",
        log: logging.Logger | None = None,
    ) -> None:
        settings = resolve(
            url=url,
            access_key=access_key,
            secret_key=secret_key,
            environment=environment,
            services=services,
            cache_dir=cache_dir,
            instance=instance,
            audience=audience,
            log=log,
        )
        self._begin(settings, Times())

    def _begin(self, settings: Settings, times: Times) -> None:
        self._settings = settings
        self._times = times
        self._lock = threading.Lock()
        self._forked = False  # the core is the parent's
        self._core = Core(settings, times)
        self._changes = Changes(self._core)
        self._core.restore()
        self._core.start()
        _process.register(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ready(self, timeout: float | None = None) -> None:
        """Waits until there is a configuration, from a server or from the disk.

        It raises TimeoutError, with why there is none, after so many seconds, and
        RuntimeError if the client is closed before. The client goes on trying, and
        evaluates meanwhile.
        """
        core = self._current()
        with core.held.changed:
            core.held.changed.wait_for(lambda: core.running is not None or core.closed, timeout)
        self._check_ready(core, timeout)

    def _check_ready(self, core: Core, timeout: float | None) -> None:
        if core.running is not None:
            return
        if core.closed:
            raise RuntimeError("there is no configuration: the client is closed")
        known = core.held.known
        why = known.error or "nothing was heard from the server yet"
        if known.faults:
            why = f"it can not be run: {known.faults[0].problem}"
        raise TimeoutError(
            f"there is no configuration from {self._settings.url} after {timeout} s: {why}"
        )

    def evaluate(self, service: str, context: Context) -> Evaluation:
        """Returns what a service gets in a context. It never raises and never waits."""
        core = self._current() if self._forked else self._core
        return evaluate(core.running, core.exposures, service, context)

    def explain(self, service: str, context: Context) -> Explanation:
        """Evaluates like evaluate and says why, layer by layer. It costs many times as
        much, and records no exposure. Before there is a configuration it explains an
        empty one."""
        running = self._current().running
        rules = NO_RULES if running is None else running.rules
        return rules.explain(service if isinstance(service, str) else "", context)

    def knows(self, service: str, path: str) -> bool:
        """Reports whether a variant of the service sets anything at a path; for the empty
        path, whether the service has variants at all. It records no exposure."""
        running = self._current().running
        named = isinstance(service, str) and isinstance(path, str)  # else it would raise
        return named and running is not None and running.rules.knows(service, path)

    def on_change(self, tell: Callable[[Change], None]) -> Callable[[], None]:
        """Has a function called after each change from now on, until what is returned is
        called, or the client is closed, of which the last change tells.

        Calls come one after the other in a thread of the client, and changes that come
        meanwhile are merged into one, so the function should return soon.
        """
        self._current()
        return self._changes.add(tell)

    def status(self) -> Status:
        """Returns how the client is."""
        core = self._current()
        running, known = core.running, core.held.known
        return Status(
            state=core.state,
            epoch=0 if running is None else running.view.position.epoch,
            revision=0 if running is None else running.view.position.revision,
            stale_for=known.stale_for(core.held.clock()),
            error=known.error,
            faults=tuple(fault.problem for fault in known.faults),
            dropped=core.outbox.dropped,
        )

    def record(self, event: Event) -> None:
        """Has an event sent, soon. It waits for nothing and never raises.

        One that breaks a limit, has nobody whom a layer hashes, or comes before there
        is a configuration to say whom layers hash, is dropped, and status counts it.
        """
        core = self._current()
        try:
            content = content_of(event, core.running)
        except EventError as error:
            core.outbox.drop(1, str(error))
        except Exception as error:
            core.outbox.drop(1, f"an event can not be read: {type(error).__name__}")
        else:
            core.outbox.put(content)

    def close(self) -> None:
        """Stops following and sends the exposures and events that are left, for 5 s at
        most. Evaluations go on with what there is, but record nothing. To close again
        does nothing."""
        self.shut()
        self.join()

    def shut(self) -> None:
        """Is close without waiting. It is for the end of the process."""
        if self._forked:
            self._core.closed = True  # all else is the parent's
        elif not self._core.closed:
            self._core.shut()

    def join(self) -> None:
        """Waits for what shut has begun. It is for the end of the process."""
        if not self._forked:
            self._core.join(time.monotonic() + self._times.close_timeout)
            self._changes.join(1.0)
        _process.unregister(self)

    def _current(self) -> Core:
        """Returns the core of this process."""
        if self._forked:
            with self._lock:
                if self._forked:
                    self._revive()
        return self._core

    def _revive(self) -> None:
        parent = self._core
        self._settings = self._settings.of_child()
        core = Core(self._settings, self._times, parent.legacy())
        self._changes = Changes(core, self._changes.listeners)
        if parent.closed:
            core.shut()
        else:
            # A process that is about to end starts no threads, and evaluates.
            with contextlib.suppress(RuntimeError):
                self._changes.start()
                core.start()
            _process.register(self)
        self._core = core
        self._forked = False

    def after_fork(self) -> None:
        """Is called in a process that was forked."""
        self._lock = threading.Lock()
        if not self._forked:
            self._forked = True
            self._core.abandon()
