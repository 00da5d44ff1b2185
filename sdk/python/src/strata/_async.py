"""The client of programs that run on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from strata._client import Client
from strata._engine import Explanation
from strata._evaluation import Context, Evaluation
from strata._event import Event
from strata._status import Change, Status


class AsyncClient:
    """Is a Client whose ready and close are awaited, and whose changes are told on the
    event loop.

    It follows in threads of its own, like a Client, so that a loop that is busy does
    not hold it up; evaluations are in the process and wait for nothing, so they are
    not awaited. The settings are those of a Client.
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
        self._client = Client(
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

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def ready(self, timeout: float | None = None) -> None:
        """Waits like Client.ready, and raises the same."""
        changed = asyncio.Event()
        # No thread waits, as one that does would keep the loop from being closed.
        stop = self.on_change(lambda _: changed.set())
        core = self._client._current()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    while core.running is None and not core.closed:
                        await changed.wait()
                        changed.clear()
        finally:
            stop()
        self._client._check_ready(core, timeout)

    def evaluate(self, service: str, context: Context) -> Evaluation:
        """As Client.evaluate."""
        return self._client.evaluate(service, context)

    def explain(self, service: str, context: Context) -> Explanation:
        """As Client.explain."""
        return self._client.explain(service, context)

    def knows(self, service: str, path: str) -> bool:
        """As Client.knows."""
        return self._client.knows(service, path)

    def on_change(self, tell: Callable[[Change], None]) -> Callable[[], None]:
        """Has a function called on the running event loop after each change from now on,
        as Client.on_change does in a thread. It raises RuntimeError where none runs."""
        loop, process = asyncio.get_running_loop(), os.getpid()
        stopped = False

        def tell_now(change: Change) -> None:
            if not stopped:
                tell(change)

        def tell_soon(change: Change) -> None:
            # The loop of a parent is not one of this process.
            if os.getpid() == process:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(tell_now, change)

        remove = self._client.on_change(tell_soon)

        def stop() -> None:
            nonlocal stopped
            stopped = True
            remove()

        return stop

    def status(self) -> Status:
        """As Client.status."""
        return self._client.status()

    def record(self, event: Event) -> None:
        """As Client.record."""
        self._client.record(event)

    async def close(self) -> None:
        """As Client.close."""
        await asyncio.to_thread(self._client.close)
