"""Follows a server over any number of lost connections."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, replace

from strata._callerror import CallError
from strata._follow.ending import Cause, Ended, Ending, of_call
from strata._follow.held import Held
from strata._follow.pace import Pace
from strata._follow.session import Session
from strata._follow.timers import PATIENCE, Timers, jittered
from strata._gate import GATE
from strata._gen.strata.serving.v1.config_pb import (
    FetchRequest,
    FetchResponse,
    WatchRequest,
    WatchResponse,
)
from strata._transport import Transport

_SERVICE = "strata.serving.v1.ConfigService/"


@dataclass(frozen=True)
class Followed:
    """What is followed, and by whom."""

    environment: str
    """Empty is the one that a data plane serves."""
    services: tuple[str, ...]
    """Those that are followed alone, sorted; all if empty."""
    instance: str
    """Tells the caller from all others, as long as it lives."""
    client: str
    """The caller's software and its version."""


class Follower:
    """Keeps what is held as new as the server has it, and never gives up or takes
    back what there is."""

    def __init__(
        self,
        followed: Followed,
        held: Held,
        transport: Transport,
        timers: Timers,
        log: logging.Logger,
    ) -> None:
        self._followed = followed
        self._held = held
        self._transport = transport
        self._timers = timers
        self._log = log
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Has run return soon."""
        self._stopping.set()
        self._transport.interrupt()

    def run(self) -> None:
        """Follows until stop. What was received stays, whatever servers say."""
        pace = Pace(self._timers)
        polls = False
        while not self._stopping.is_set():
            try:
                ending = self._poll(pace.anew) if polls else self._watch(pace.anew)
            except Exception as error:
                # Whatever a server has sent, the next one may send something else.
                self._log.exception("the config stream has failed")
                ending = Ending(Cause.BROKEN, f"{type(error).__name__}: {error}")
            if self._stopping.is_set():
                break
            following = pace.next(ending, self._held.clock())
            self._held.ended(ending)
            self._log.log(
                ending.level,
                "the config stream has ended (%s), what was received goes on being used; "
                "next in %.1f s: %s",
                ending.cause.value,
                following.wait,
                ending.error,
            )
            polls = following.polls
            self._stopping.wait(following.wait)
        self._transport.close()

    def _request(self, anew: bool) -> WatchRequest:
        """Returns what is asked of the server, from where we are on or anew."""
        with GATE:
            return WatchRequest(
                environment=self._followed.environment,
                services=list(self._followed.services),
                resume_token=b"" if anew else self._held.known.token,
                instance=self._followed.instance,
                client=self._followed.client,
            )

    def _watch(self, anew: bool) -> Ending:
        """Follows a stream until it ends."""
        session = Session(self._held, self._followed.environment, anew, fetched=False)
        until = self._held.clock() + self._timers.hello
        try:
            stream = self._transport.stream(
                _SERVICE + "Watch", self._request(anew), WatchResponse, timeout=self._timers.hello
            )
            with contextlib.closing(stream):
                while True:
                    # From when the frame before was taken, so that the time that
                    # activation took is no silence.
                    frame = stream.receive(
                        PATIENCE * session.heartbeat
                        if session.answered
                        else until - self._held.clock()
                    )
                    if frame is None:
                        return session.end(Ending(Cause.BROKEN, "the stream has ended"))
                    with GATE:
                        session.take(frame)
        except TimeoutError:
            if not session.answered:
                return session.end(Ending(Cause.MUTE, "the stream does not begin"))
            return session.end(Ending(Cause.SILENT, "nothing was heard for three heartbeats"))
        except CallError as error:
            return session.end(of_call(error))
        except Ended as ended:
            return session.end(ended.ending)

    def _poll(self, anew: bool) -> Ending:
        """Fetches again and again, where a stream does not get through, until that
        fails or a stream is to be tried again."""
        began = self._held.clock()
        until = began + jittered(self._timers.watch_again)
        answered = settled = False
        while True:
            session = Session(
                self._held, self._followed.environment, anew and not settled, fetched=True
            )
            ending = self._fetch(session, anew and not settled)
            answered, settled = answered or session.answered, settled or session.settled
            if ending is None and self._held.clock() >= until:
                ending = Ending(Cause.DUE)
            if ending is None and self._stopping.wait(jittered(session.heartbeat)):
                ending = Ending(Cause.BROKEN, "the client is closed")
            if ending is not None:
                lasted = self._held.clock() - began
                return replace(ending, lasted=lasted, answered=answered, anew=anew, settled=settled)

    def _fetch(self, session: Session, anew: bool) -> Ending | None:
        """Takes what one fetch brings. It returns nothing if that is right."""
        try:
            with GATE:
                request = FetchRequest(watch=self._request(anew))
            answer = self._transport.call(
                _SERVICE + "Fetch",
                request,
                FetchResponse,
                timeout=self._timers.fetch,
            )
            for frame in answer.frames:
                with GATE:
                    session.take(frame)
        except CallError as error:
            return of_call(error)
        except Ended as ended:
            return ended.ending
        if not session.answered or session.staging:
            return Ending(Cause.DOUBTFUL, "what was fetched is not whole")
        return None
