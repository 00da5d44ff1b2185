"""How a client is, and what changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["NOT_READY", "READY", "STALE", "CLOSED"]


@dataclass(frozen=True)
class Status:
    """How a client is at a time."""

    state: State
    """NOT_READY: there is no configuration yet. READY: there is one, and the server is
    heard. STALE: there is one, and the server was not heard for three heartbeats, or
    not yet. CLOSED: the client was closed. It evaluates in all of them."""
    epoch: int
    """The history that the revision belongs to; later ones are larger. 0 before there
    is a configuration."""
    revision: int
    """What is evaluated. 0 before there is a configuration."""
    stale_for: float
    """For how many seconds nobody has confirmed that the newest revision is the one
    that was received last; if nobody ever has, since the client was created."""
    error: str
    """Why the last connection has ended, empty once another one goes well."""
    faults: tuple[str, ...]
    """What of the newest revision can not be run, so that the one before it is still
    evaluated. Empty if nothing is wrong."""
    dropped: int
    """How many exposures and events could not be sent, all in all."""


@dataclass(frozen=True)
class Change:
    """A change of the configuration, of the client's state, or of both."""

    revision_before: int
    """What was evaluated before; 0 is nothing."""
    revision_after: int
    """What is evaluated now."""
    state_before: State
    """As in Status."""
    state_after: State
    """As in Status."""
    keys: tuple[str, ...]
    """What may have other values now, "service.path" for each whole value that some
    variant sets, in byte order. Empty if the state alone has changed."""
