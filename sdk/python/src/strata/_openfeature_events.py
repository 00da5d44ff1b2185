"""Tells OpenFeature what becomes of a client."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode
from openfeature.provider import ProviderStatus

from strata._client import Client
from strata._status import Change, State

CLOSED = "the client is closed"
"""Why a provider can do nothing any more."""
_SETTLING = 0.1
"""How long OpenFeature may take to say how a provider is whose initialize has ended,
in seconds."""
_STATUSES: dict[State, ProviderStatus] = {
    "READY": ProviderStatus.READY,
    "STALE": ProviderStatus.STALE,
    "CLOSED": ProviderStatus.FATAL,
}

Emit = Callable[[ProviderEvent, ProviderEventDetails], None]


class Events:
    """Tells between start and end. It is safe for concurrent use."""

    def __init__(self, client: Client, emit: Emit) -> None:
        self._client = client
        self._emit = emit
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None  # ends the client's calls
        self._told: ProviderStatus | None = None  # what was said last
        self._settled: threading.Timer | None = None

    def start(self) -> None:
        """Begins to tell, if it has not yet."""
        with self._lock:
            if self._stop is None:
                self._told = None
                self._stop = self._client.on_change(self._take)

    def end(self) -> None:
        """Ends that. After it nothing is told, until start."""
        with self._lock:
            if self._stop is not None:
                self._stop()
                self._stop = None
            if self._settled is not None:
                self._settled.cancel()
                self._settled = None

    def initialized(self, said: ProviderStatus) -> None:
        """Is for the end of initialize. OpenFeature says by itself how the provider is
        then, and forgets what it was told just before, so that is told again."""
        with self._lock:
            if self._stop is None:
                return
            self._told = said
            if self._settled is not None:
                self._settled.cancel()
            self._settled = threading.Timer(_SETTLING, self._settle, (said,))
            self._settled.daemon = True
            self._settled.start()

    def _settle(self, said: ProviderStatus) -> None:
        with self._lock:
            status = _STATUSES.get(self._client.status().state)
            if status is not None and status is not said:
                self._become(status)

    def _take(self, change: Change) -> None:
        with self._lock:
            if change.keys and change.state_before != "NOT_READY":
                self._tell(
                    ProviderEvent.PROVIDER_CONFIGURATION_CHANGED,
                    ProviderEventDetails(flags_changed=list(change.keys)),
                )
            status = _STATUSES.get(change.state_after)
            if status is not None and status is not self._told:
                self._become(status)

    def _become(self, status: ProviderStatus) -> None:
        """Tells how the provider is. The lock has to be held."""
        self._told = status
        if status is ProviderStatus.FATAL:
            self._tell(
                ProviderEvent.PROVIDER_ERROR,
                ProviderEventDetails(message=CLOSED, error_code=ErrorCode.PROVIDER_FATAL),
            )
        elif status is ProviderStatus.STALE:
            self._tell(ProviderEvent.PROVIDER_STALE, ProviderEventDetails())
        else:
            self._tell(ProviderEvent.PROVIDER_READY, ProviderEventDetails())

    def _tell(self, event: ProviderEvent, details: ProviderEventDetails) -> None:
        # At the end of the process, OpenFeature's own threads end first.
        with contextlib.suppress(RuntimeError):
            if self._stop is not None:
                self._emit(event, details)
