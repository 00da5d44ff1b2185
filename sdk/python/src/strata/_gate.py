"""Keeps a process from being forked while a thread is where that must not happen.

Libraries that are not written in Python, such as those of protobuf and cryptography,
have locks of their own, which nobody opens in a child if another thread of the parent
holds them at the fork. So all threads of a client go through the gate where they use
these, and a fork waits until nobody is inside.

Evaluations never go through it, as some stay inside for as long as a configuration
takes to compile.
"""

from __future__ import annotations

import os
import threading

_PATIENCE = 10.0
"""How long a fork waits, in seconds. What is inside for longer is more likely to have
hung than to be in the middle of something."""


class Gate:
    """Is used by "with", by one thread at a time, again and again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forking: int | None = None  # the thread that forks

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        """Waits until nobody is inside."""
        if self._lock.acquire(timeout=_PATIENCE):
            self._forking = threading.get_ident()

    def after_fork_in_parent(self) -> None:
        """Lets others in again."""
        if self._forking == threading.get_ident():
            self._forking = None
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Is open, whoever was inside."""
        if self._forking == threading.get_ident():
            self.after_fork_in_parent()
        else:
            self._lock = threading.RLock()
            self._forking = None


GATE = Gate()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=GATE.before_fork,
        after_in_parent=GATE.after_fork_in_parent,
        after_in_child=GATE.after_fork_in_child,
    )
