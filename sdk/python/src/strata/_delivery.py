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
        while not self._expired.is_set():
            batch, due = self._outbox.batch()
            if not batch and self._outbox.shut:
                break
            if pause > 0:
                # The closing ends a wait that it finds, and no later one.
                self._wait(pause * random.uniform(0.5, 1))
            elif not batch or (due > 0 and not self._outbox.shut):
                self._await_more(batch, due)
                continue
            if not batch:
                pause = 0.0
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

    def _wait(self, wait: float) -> None:
        if self._outbox.shut:
            self._expired.wait(wait)
            return
        with self._outbox.changed:
            self._outbox.changed.wait_for(lambda: self._outbox.shut, wait)

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
                events=[_event(e, e.content) for e in batch if isinstance(e.content, Did)],
                client=self._client,
            )
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
            self._outbox.drop(len(batch), f"the server takes none: {error}")
            return True
        if answer.refusals:
            self._outbox.drop(len(answer.refusals), "the server refuses some as malformed")
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


def _event(entry: Entry, did: Did) -> Event:
    event = Event(
        insert_id=entry.insert_id,
        time=Timestamp.from_nanos(entry.nanos),
        name=did.name,
        units=dict(did.units),
    )
    if did.value is not None:
        event.value = did.value
    if did.properties:
        event.properties = Struct.from_python(json.loads(did.properties))
    return event
