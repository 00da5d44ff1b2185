"""The times of a follower, in seconds."""

from __future__ import annotations

import random
from dataclasses import dataclass

DEFAULT_HEARTBEAT = 15.0
"""What counts where a server has said nothing yet."""
MAX_HEARTBEAT = 300.0
"""Bounds what a server can say, as its silence is measured by it."""
PATIENCE = 3
"""How many heartbeats may be missing."""


@dataclass(frozen=True)
class Timers:
    """The times of a follower. They differ from these in tests alone."""

    hello: float = 10.0
    """How long a stream may take to begin. A proxy that buffers may be why it takes
    longer, so that the configuration is fetched. Servers that are behind wait for a
    few seconds before they say so, and have to be heard. To connect takes half of it
    at most, so that a server that is not there is not taken for one behind such a
    proxy."""
    answer: float = 10.0
    """How long a call may take."""
    fetch: float = 60.0
    """The same for a fetch."""
    watch_again: float = 180.0
    """For about how long the configuration is fetched before a stream is tried
    again."""
    first_wait: float = 0.5
    """The longest wait after a first failure. It doubles with each one."""
    longest_wait: float = 30.0
    """The longest wait after any failure."""
    refused_wait: float = 300.0
    """The same where the key is refused."""
    healthy: float = 60.0
    """How long a stream has to last to make up for failures."""
    anew: float = 30.0
    """The shortest time between whole configurations that are asked for since what
    came was not right."""


def seconds(millis: int, least: float, most: float) -> float:
    """Returns a time that a server has said, between limits."""
    return min(max(millis / 1000, least), most)


def jittered(wait: float) -> float:
    """Returns a random time around another one."""
    return wait * random.uniform(0.75, 1.25)
