"""How streams end, and what that means for the next one."""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass, replace

from strata._callerror import CallError
from strata._follow.timers import seconds
from strata._gen.strata.serving.v1.config_pb import Goodbye

_MAX_WINDOW = 600.0
"""Bounds when a server can have its followers come back."""


class Cause(enum.Enum):
    """Why a stream has ended, as far as that matters to the next one."""

    BROKEN = "broken"
    """The connection has ended, or never was."""
    SILENT = "silent"
    """The server has said nothing for too long."""
    MUTE = "mute"
    """The stream did not begin in time, so something may hold it back."""
    BEHIND = "behind"
    """The server is behind what is held."""
    DOUBTFUL = "doubtful"
    """What came is not right."""
    MISSED = "missed"
    """The server takes the follower to be where it is not."""
    REFUSED = "refused"
    """The key is not good for it."""
    WINDOW = "window"
    """The server has said when to come back."""
    DUE = "due"
    """Enough was fetched, a stream is to be tried."""


_LEVELS = {
    Cause.WINDOW: logging.INFO,
    Cause.DUE: logging.INFO,
    Cause.DOUBTFUL: logging.ERROR,
    Cause.REFUSED: logging.ERROR,
}


@dataclass(frozen=True)
class Ending:
    """How a stream, or a time of fetching, has ended."""

    cause: Cause
    error: str = ""
    least: float = 0.0
    """When to come back at the earliest, for WINDOW, in seconds."""
    most: float = 0.0
    """The same at the latest."""
    lasted: float = 0.0
    """For how long it has gone well, since it was answered."""
    answered: bool = False
    """Whether it had begun."""
    anew: bool = False
    """Whether it was asked for everything."""
    settled: bool = False
    """Whether something was taken over, or proved to be the newest."""

    @property
    def level(self) -> int:
        """How much people should care."""
        return _LEVELS.get(self.cause, logging.WARNING)


class Ended(Exception):
    """What was received has to be the last of its stream."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.error)
        self.ending = ending


def doubt(error: str) -> Ended:
    """Returns what is raised for what is not right."""
    return Ended(Ending(Cause.DOUBTFUL, error))


def of_call(error: CallError) -> Ending:
    """Returns the ending that a call's error means."""
    broken = Ending(Cause.BROKEN, str(error))
    if error.code in ("unauthenticated", "permission_denied"):
        return replace(broken, cause=Cause.REFUSED)
    if error.code not in ("unavailable", "resource_exhausted"):
        return broken
    if error.reason == "ERROR_REASON_BEHIND":
        return replace(broken, cause=Cause.BEHIND)
    if error.reason == "ERROR_REASON_OVERLOADED":
        try:
            least = int(error.metadata["retry_min_millis"])
            most = int(error.metadata["retry_max_millis"])
        except (KeyError, ValueError):
            return broken  # it has not said when
        return _in_window(least, most, str(error))
    return broken


def of_goodbye(goodbye: Goodbye) -> Ending:
    """Returns the ending that a server tells."""
    error = f"the server ends the stream: {goodbye.reason.name}"
    if goodbye.reason == Goodbye.Reason.REVOKED:
        return Ending(Cause.REFUSED, error)
    return _in_window(goodbye.retry_min_millis, goodbye.retry_max_millis, error)


def _in_window(least_millis: int, most_millis: int, error: str) -> Ending:
    """Returns the ending of a server that says when to come back.

    One that says at once says nothing, or all would be back at the same time.
    """
    least = seconds(least_millis, 0, _MAX_WINDOW)
    most = seconds(most_millis, least, _MAX_WINDOW)
    if most == 0:
        return Ending(Cause.BROKEN, error)
    return Ending(Cause.WINDOW, error, least, most)
