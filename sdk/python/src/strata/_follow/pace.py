"""When to come back, and how, after a stream has ended."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from strata._follow.ending import Cause, Ending
from strata._follow.timers import Timers


@dataclass(frozen=True)
class Next:
    """What comes after an ending."""

    wait: float
    """In seconds."""
    polls: bool = False
    """Whether to fetch, and not to stream."""


class Pace:
    """Counts failures, and remembers what was asked for. It is for one thread.

    The function returns a random number from 0 to another one.
    """

    def __init__(
        self, timers: Timers, below: Callable[[float], float] = lambda most: random.uniform(0, most)
    ) -> None:
        self._timers = timers
        self._below = below
        self._failures = 0
        self.anew = False
        """Whether the next stream has to bring everything."""
        self._lost = False  # the last stream has lost something, and nothing has come right since
        self._last_anew: float | None = (
            None  # when everything was asked for last, and an answer had begun
        )

    def next(self, ending: Ending, now: float) -> Next:
        """Returns what comes after an ending, now by a monotonic clock."""
        if ending.lasted >= self._timers.healthy:
            self._failures = 0
        if ending.settled:
            self.anew = self._lost = False
        if ending.anew and ending.answered:
            self._last_anew = now - ending.lasted
        longest = self._timers.longest_wait
        match ending.cause:
            case Cause.MUTE:
                return Next(0, polls=True)
            case Cause.DUE:
                return Next(0)
            case Cause.WINDOW:
                return Next(ending.least + self._below(ending.most - ending.least))
            case Cause.BEHIND:
                self.anew = False  # what is held is right; it is this server that lacks it
            case Cause.DOUBTFUL:
                self.anew = True
            case Cause.MISSED:
                self.anew = self.anew or self._lost
                self._lost = True
            case Cause.REFUSED:
                longest = self._timers.refused_wait
        wait = self._below(self._backoff(longest))
        if self.anew and self._last_anew is not None:
            wait = max(wait, self._timers.anew - (now - self._last_anew))
        return Next(wait)

    def _backoff(self, longest: float) -> float:
        # More doublings than that would leave the range of a float.
        wait = self._timers.first_wait * 2.0 ** min(self._failures, 100)
        self._failures += 1
        return min(wait, longest)
