"""When a client comes back."""

from __future__ import annotations

import pytest

from strata._callerror import CallError
from strata._follow.ending import Cause, Ending, of_call, of_goodbye
from strata._follow.pace import Next, Pace
from strata._follow.timers import Timers
from strata._gen.strata.serving.v1.config_pb import Goodbye

BROKEN = Ending(Cause.BROKEN)


def longest() -> Pace:
    """One that waits as long as it may."""
    return Pace(Timers(), lambda most: most)


def test_waits_double_up_to_a_limit() -> None:
    pace = longest()
    waits = [pace.next(BROKEN, 0).wait for _ in range(9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    for _ in range(2000):
        pace.next(BROKEN, 0)
    assert pace.next(BROKEN, 0).wait == 30


def test_waits_are_random() -> None:
    waits = {Pace(Timers()).next(BROKEN, 0).wait for _ in range(20)}
    assert len(waits) > 1
    assert all(0 <= wait <= 0.5 for wait in waits)


def test_a_stream_that_has_lasted_makes_up_for_failures() -> None:
    pace = longest()
    for _ in range(5):
        pace.next(BROKEN, 0)
    assert pace.next(Ending(Cause.BROKEN, lasted=59.9, answered=True), 0).wait == 16
    assert pace.next(Ending(Cause.BROKEN, lasted=60, answered=True), 0).wait == 0.5


def test_a_key_that_is_refused_waits_longer() -> None:
    pace = longest()
    waits = [pace.next(Ending(Cause.REFUSED), 0).wait for _ in range(12)]
    assert waits[-1] == 300
    assert waits == sorted(waits)


def test_a_window_and_what_needs_no_wait() -> None:
    pace = longest()
    assert pace.next(Ending(Cause.WINDOW, least=2, most=5), 0) == Next(5)
    assert pace.next(Ending(Cause.MUTE), 0) == Next(0, polls=True)
    assert pace.next(Ending(Cause.DUE), 0) == Next(0)
    assert pace.next(BROKEN, 0).wait == 0.5


def test_everything_is_asked_for_anew_at_most_each_30_s() -> None:
    pace = longest()
    assert pace.next(Ending(Cause.DOUBTFUL), 100).wait == 0.5
    assert pace.anew
    # It is asked for, answered for 2 s, and doubtful again.
    again = Ending(Cause.DOUBTFUL, lasted=2, answered=True, anew=True)
    assert pace.next(again, 110).wait == 28
    assert pace.anew
    # A server that does not answer does not count.
    assert pace.next(Ending(Cause.BROKEN, anew=True), 130).wait == 8
    pace.next(Ending(Cause.BROKEN, answered=True, anew=True, settled=True), 140)
    assert not pace.anew


def test_what_is_missed_once_is_gone_on_from() -> None:
    pace = longest()
    pace.next(Ending(Cause.MISSED), 0)
    assert not pace.anew
    pace.next(Ending(Cause.MISSED), 0)
    assert pace.anew
    pace.next(Ending(Cause.BEHIND), 0)
    assert not pace.anew


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (CallError("unauthenticated", ""), Cause.REFUSED),
        (CallError("permission_denied", ""), Cause.REFUSED),
        (CallError("not_found", "", "ERROR_REASON_BEHIND"), Cause.BROKEN),
        (CallError("unavailable", "", "ERROR_REASON_BEHIND"), Cause.BEHIND),
        (CallError("unavailable", ""), Cause.BROKEN),
        (CallError("resource_exhausted", "", "ERROR_REASON_OVERLOADED"), Cause.BROKEN),
        (CallError("resource_exhausted", "", "ERROR_REASON_OVERLOADED", {"retry_min_millis": "1",
         "retry_max_millis": "x"}), Cause.BROKEN),
    ],
)  # fmt: skip
def test_what_errors_mean(error: CallError, cause: Cause) -> None:
    assert of_call(error).cause is cause


def test_windows_are_bounded() -> None:
    said = {"retry_min_millis": "1000", "retry_max_millis": "999999999"}
    overloaded = of_call(CallError("resource_exhausted", "", "ERROR_REASON_OVERLOADED", said))
    assert (overloaded.cause, overloaded.least, overloaded.most) == (Cause.WINDOW, 1, 600)
    at_once = of_goodbye(Goodbye(reason=Goodbye.Reason.DRAIN))
    assert at_once.cause is Cause.BROKEN
    turned = of_goodbye(Goodbye(retry_min_millis=5000, retry_max_millis=-1))
    assert (turned.cause, turned.least, turned.most) == (Cause.WINDOW, 5, 5)
    revoked = of_goodbye(Goodbye(reason=Goodbye.Reason.REVOKED, retry_max_millis=1))
    assert revoked.cause is Cause.REFUSED
