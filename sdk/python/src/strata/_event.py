"""What users did."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from strata._evaluation import Context
from strata._outbox import Did
from strata._running import Running, sendable

_MAX_NAME_BYTES = 256
_MAX_PROPERTIES_BYTES = 16 << 10


@dataclass(frozen=True)
class Event:
    """Something that a user did, or that was measured of them."""

    name: str
    """What it was, such as "checkout": 1 to 256 bytes."""
    context: Context
    """The user. The attributes that layers hash are sent, at most 16 of them, and
    nothing else."""
    value: float | None = None
    """How much, None if that can not be said. It must be finite."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Anything else that JSON can hold: at most 16 KiB of it."""


class EventError(Exception):
    """Why an event can not be sent. It says nothing of what is in the event, as it is
    logged, each text once."""


def content_of(event: Event, running: Running | None) -> Did:
    """Returns what of an event is sent. It raises EventError for one that can not be,
    and whatever a context or property raises."""
    if not isinstance(event, Event) or not isinstance(event.name, str):
        raise EventError("what was given is no event")
    if not event.name or not sendable(event.name, _MAX_NAME_BYTES):
        raise EventError("the name of an event has 1 to 256 bytes of UTF-8")
    if running is None:
        raise EventError(
            "before there is a configuration, nobody knows what of an event's context may be sent"
        )
    units = running.units(event.context) if isinstance(event.context, Mapping) else {}
    if not units:
        raise EventError("the context of an event has no attribute that a layer hashes")
    value = None if event.value is None else float(event.value)
    if value is not None and not math.isfinite(value):
        raise EventError("the value of an event is finite")
    text = ""
    if event.properties:
        text = json.dumps(
            dict(event.properties), allow_nan=False, separators=(",", ":"), ensure_ascii=False
        )
        if not sendable(text, _MAX_PROPERTIES_BYTES):
            raise EventError("the properties of an event are at most 16 KiB of JSON")
    return Did(event.name, units, value, text)
