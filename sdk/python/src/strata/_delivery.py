"""Sends exposures and events."""

from __future__ import annotations

import json
import random
import threading

from protobuf.wkt import Struct, Timestamp

from strata._accesskey import REQUEST
from strata._callerror import CallError
from strata._gate import GATE
from strata._gen.strata.serving.v1.event_pb import Event, Exposure, RecordRequest, RecordResponse
from strata._outbox import BATCH_ENTRIES, Did, Entry, Met, Outbox
from strata._transport import Transport

FIRST_PAUSE = 0.5
"""The longest wait after a failure, in seconds. It doubles with each one."""
_LONGEST_PAUSE = 60.0
_ANSWER_TIMEOUT = 10.0
_FINAL = ("unimplemented", "not_found", "permission_denied", "invalid_argument")
"""The codes at which to send the same again would fail again."""


class Delivery:
    """Sends what is in an outbox, batch by batch, in order. Run is for one thread."""

    def __init__(
        self, outbox: Outbox, transport: Transport, client: str, first_pause: float = FIRST_PAUSE
    ) -> None:
        self._outbox = outbox
        self._transport = transport
        self._client = client
        self._first_pause = first_pause
        self._expired = threading.Event()

    def run(self) -> None:
        """Sends until the outbox is shut, and then what is left until expire."""
        pause = 0.0  # after a failure
        closing = False
        while not self._expired.is_set():
            if self._outbox.shut and not closing:
                closing, pause = True, 0.0  # there is no time for long ones
            batch, due = self._outbox.batch()
            if not batch and closing:
                break
            if batch and pause > 0:
                if self._wait(pause * random.uniform(0.5, 1)):
                    continue
            elif not batch or (due > 0 and not closing):
                self._await_more(batch, due)
                continue
            if self._send(batch):
                pause = 0.0
                self._outbox.remove(len(batch))
            else:
                pause = min(max(2 * pause, self._first_pause), _LONGEST_PAUSE)
        self._transport.close()

    def expire(self) -> None:
        """Has run return, whatever is left."""
        self._expired.set()
        self._transport.interrupt()

    def _wait(self, wait: float) -> bool:
        """Waits after a failure, and reports whether the closing has come meanwhile, which
        ends the wait."""
        if self._outbox.shut:
            self._expired.wait(wait)
            return False
        with self._outbox.changed:
            return self._outbox.changed.wait_for(lambda: self._outbox.shut, wait)

    def _await_more(self, batch: list[Entry], due: float) -> None:
        outbox, enough = self._outbox, BATCH_ENTRIES if batch else 1
        with outbox.changed:
            outbox.changed.wait_for(
                lambda: outbox.shut or len(outbox) >= enough, due if batch else None
            )

    def _send(self, batch: list[Entry]) -> bool:
        """Sends a batch. What it reports true for is done with: it was taken, or never
        will be."""
        with GATE:
            request = RecordRequest(
                exposures=[_exposure(e, e.content) for e in batch if isinstance(e.content, Met)],
                events=[
                    event
                    for e in batch
                    if isinstance(e.content, Did) and (event := _event(e, e.content)) is not None
                ],
                client=self._client,
            )
        fit = len(request.exposures) + len(request.events)
        if fit > 0:
            try:
                answer = self._transport.call(
                    "strata.serving.v1.EventService/Record",
                    request,
                    RecordResponse,
                    timeout=_ANSWER_TIMEOUT,
                    profile=REQUEST,
                )
            except CallError as error:
                if error.code not in _FINAL:
                    return False
                self._outbox.drop(fit, f"the server takes none: {error.code}")
            else:
                if answer.refusals:
                    self._outbox.drop(len(answer.refusals), "the server refuses some as malformed")
        if fit < len(batch):
            self._outbox.drop(len(batch) - fit, "the properties of some do not fit into a message")
        return True


def _exposure(entry: Entry, met: Met) -> Exposure:
    return Exposure(
        insert_id=entry.insert_id,
        time=Timestamp.from_nanos(entry.nanos),
        service=met.service,
        layer_id=met.layer_id,
        hash_key=met.hash_key,
        key=met.key,
        slot=met.slot,
        eid=met.eid,
        vid=met.vid,
        epoch=met.epoch,
        revision=met.revision,
        path=met.path,
        hidden=met.hidden,
    )


def _event(entry: Entry, did: Did) -> Event | None:
    """Returns the message of an event, nothing if it can not be one."""
    event = Event(
        insert_id=entry.insert_id,
        time=Timestamp.from_nanos(entry.nanos),
        name=did.name,
        units=dict(did.units),
    )
    if did.value is not None:
        event.value = did.value
    if did.properties:
        try:
            event.properties = Struct.from_python(json.loads(did.properties))
            RecordRequest(events=[event]).to_binary()
        except (ValueError, OverflowError, RecursionError):
            return None  # it is nested too deeply, or has a number that is too large
    return event
