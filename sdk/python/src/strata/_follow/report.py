"""Tells servers what became of what they have sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from strata._callerror import CallError
from strata._follow.held import Held, Known, Link
from strata._gate import GATE
from strata._gen.strata.config.v1.entity_pb import EntityKind
from strata._gen.strata.serving.v1.config_pb import (
    PlaneState,
    Rejection,
    ReportStatusRequest,
    Status,
)
from strata._view import Position

_MAX_NAME_BYTES = 256
_MAX_PROBLEM_BYTES = 1024
_MAX_REJECTIONS = 20


@dataclass(frozen=True)
class _News:
    """What is reported as soon as it changes."""

    link: Link
    state: PlaneState
    replicated: Position
    active: Position | None
    active_hash: bytes


class Reporter:
    """Reports how a follower is: when that changes, and often enough for the server
    to know that it lives. One report follows another; that one fails is of no
    consequence but that it is made again.

    Send makes the call, within so many seconds.
    """

    def __init__(
        self,
        held: Held,
        environment: str,
        instance: str,
        client: str,
        send: Callable[[ReportStatusRequest, float], None],
        log: logging.Logger,
    ) -> None:
        self._held = held
        self._environment = environment
        self._instance = instance
        self._client = client
        self._send = send
        self._log = log
        self._stopped = False

    def stop(self) -> None:
        """Has run return, as soon as the call under way has ended."""
        with self._held.changed:
            self._stopped = True
            self._held.changed.notify_all()

    def run(self) -> None:
        """Reports until stop."""
        told: _News | None = None
        due = 0.0  # when the next report may be made if nothing changes
        while True:
            with self._held.changed:
                if self._stopped:
                    return
                known = self._held.known
                link, now = known.link, self._held.clock()
                if link is None or known.replicated.position == Position():
                    self._held.changed.wait()
                    continue
                news = _news(known, link, now)
                at = (
                    due
                    if told is None
                    else due - (self._pause(link) - link.report if news != told else 0)
                )
                if now < at:
                    self._held.changed.wait(at - now)
                    continue
            with GATE:
                request = self._message(known, link, now)
            if self._report(request, link):
                told, due = news, self._held.clock() + self._pause(link)
            else:
                told, due = None, self._held.clock() + max(link.report, link.heartbeat / 3)

    def _pause(self, link: Link) -> float:
        return max(link.report, link.heartbeat * 2 / 3)  # in time, even if it is slow

    def _report(self, request: ReportStatusRequest, link: Link) -> bool:
        try:
            self._send(request, max(link.heartbeat, 1.0))
        except CallError as error:
            self._log.debug("the status could not be reported: %s", error)
            return False
        return True

    def _message(self, known: Known, link: Link, now: float) -> ReportStatusRequest:
        replicated = known.replicated.position
        active = None if known.active is None else known.active.view
        status = Status(
            instance=self._instance,
            client=self._client,
            state=known.state(now),
            epoch=replicated.epoch,
            replicated_revision=replicated.revision,
            stale_millis=int(known.stale_for(now) * 1000),
            rejections=[
                Rejection(
                    kind=EntityKind.UNSPECIFIED
                    if fault.key is None
                    else EntityKind(fault.key.kind),
                    key="" if fault.key is None else _clip(fault.key.name, _MAX_NAME_BYTES),
                    problem=_clip(fault.problem, _MAX_PROBLEM_BYTES),
                )
                for fault in known.faults[:_MAX_REJECTIONS]
            ],
        )
        if active is not None:
            status.active_hash = active.hash
            if active.position.epoch == replicated.epoch:  # else its revision is of another history
                status.active_revision = active.position.revision
        return ReportStatusRequest(
            environment=self._environment, stream_id=link.stream, status=status
        )


def _news(known: Known, link: Link, now: float) -> _News:
    active = None if known.active is None else known.active.view
    return _News(
        link,
        known.state(now),
        known.replicated.position,
        None if active is None else active.position,
        b"" if active is None else active.hash,
    )


def _clip(text: str, most: int) -> str:
    return text.encode(errors="replace")[:most].decode(errors="ignore")
