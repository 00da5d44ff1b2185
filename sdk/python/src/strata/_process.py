"""What happens to clients when their process is forked, and when it ends."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Protocol


class Owned(Protocol):
    """A client, as far as its process has to know it."""

    def after_fork(self) -> None:
        """Is called in a process that was forked, before anything else happens there. It
        must take no lock that others have."""

    def shut(self) -> None:
        """Has everything end. It does not wait."""

    def join(self) -> None:
        """Waits, for a limited time, until everything has ended."""


_open: dict[int, Owned] = {}


def register(client: Owned) -> None:
    """Has a client be told of forks, and of the end of the process, until unregister."""
    _open[id(client)] = client
    _watch_multiprocessing()


def unregister(client: Owned) -> None:
    """Is for a client that is closed."""
    _open.pop(id(client), None)


def _after_fork() -> None:
    for client in tuple(_open.values()):
        client.after_fork()


def _close_all() -> None:
    # All together, so that the limit is one for all of them.
    clients = tuple(_open.values())
    for client in clients:
        client.shut()
    for client in clients:
        client.join()


_watched = 0  # the process that is watched


def _watch_multiprocessing() -> None:
    """Has clients closed at the end of a process of multiprocessing.

    Those that it forks end without atexit, and run finalizers of its own.
    """
    global _watched
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or _watched == os.getpid():
        return
    _watched = os.getpid()
    from multiprocessing.util import Finalize

    Finalize(None, _close_all, exitpriority=100)


# At the latest time at which threads still run: those that keep a process alive
# have ended, and may have recorded something to the last.
atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
