"""What a service gets in a context, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from strata._engine import Reading, Result, slot
from strata._exposures import Exposures
from strata._running import Running

Context = Mapping[str, object]
"""What is known about a user: attributes by their names. A value is a str, bool, int,
float or None, which is as if it were absent. Everything else, such as lists, Decimal
and NaN, is a value that no rule matches and no layer hashes."""

Reason = Literal["SPLIT", "TARGETING_MATCH", "DEFAULT", "ERROR"]
ReadError = Literal["", "NOT_READY", "NOT_FOUND", "INVALID_CONTEXT"]

Default = TypeVar("Default")


@dataclass(frozen=True)
class Parameter:
    """A value with its source."""

    value: Any
    """None, a bool, int, float, str, list or dict; None also if nobody has set one.
    Numbers are int if they are whole and at most 2^53 - 1, either way. The caller
    owns it."""
    reason: Reason
    """SPLIT: an experiment without a rule has set it. TARGETING_MATCH: one with a rule
    has. DEFAULT: nobody has set it for this user. ERROR: see error."""
    error: ReadError = ""
    """Empty unless reason is ERROR. NOT_READY: there is no configuration yet.
    NOT_FOUND: no variant of the service sets anything there. INVALID_CONTEXT: what
    was given is not a context."""
    layer_id: str = ""
    """The layer that has set it, of an object the one of highest priority in it;
    empty if nobody has."""
    eid: int = 0
    """The experiment in it."""
    vid: int = 0
    """The variant of that."""
    slot: int = -1
    """The user's slot in the layer, 0 to 9,999; -1 if nobody has set the value."""
    revision: int = 0
    """What was evaluated, 0 if there was nothing."""


class Evaluation:
    """What one service gets in one context, of one revision.

    Reading a parameter records who is exposed by that, so read what is used. It never
    raises and never waits. It comes from a client, and is safe for concurrent use.

    Paths are keys joined by ".", such as "model.version"; a "." or "\\" that belongs
    to a key is written "\\." or "\\\\". The empty path is the parameters as a whole.
    """

    __slots__ = ("_error", "_exposures", "_result", "_running", "_service")

    def __init__(
        self,
        running: Running | None,
        exposures: Exposures,
        service: str,
        result: Result | None,
        error: ReadError,
    ) -> None:
        self._running = running
        self._exposures = exposures
        self._service = service
        self._result = result
        self._error: ReadError = error

    def __repr__(self) -> str:
        return f"Evaluation({self._service!r}, revision={self.revision})"

    @property
    def revision(self) -> int:
        """What was evaluated, 0 if there was nothing."""
        return 0 if self._running is None else self._running.view.position.revision

    def get_string(self, path: str, default: Default) -> str | Default:
        """Returns the string at a path, the default if there is none."""
        value = self._value(path)
        return value if isinstance(value, str) else default

    def get_bool(self, path: str, default: Default) -> bool | Default:
        """Returns the bool at a path, the default if there is none."""
        value = self._value(path)
        return value if isinstance(value, bool) else default

    def get_int(self, path: str, default: Default) -> int | Default:
        """Returns the number at a path, the default if there is none that is whole and
        at most 2^53 - 1, either way."""
        value = self._value(path)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def get_float(self, path: str, default: Default) -> float | Default:
        """Returns the number at a path as a float, the default if there is none."""
        value = self._value(path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        return default

    def get_object(self, path: str, default: Default) -> dict[str, Any] | Default:
        """Returns the object at a path, the default if there is none. The caller owns
        what is returned."""
        value = self._value(path, owned=True)
        return value if isinstance(value, dict) else default

    def lookup(self, path: str) -> Parameter:
        """Returns what is at a path, and where it comes from. Who is exposed by that is
        recorded, as by the other ways to read."""
        if self._error or self._running is None or self._result is None:
            return Parameter(None, "ERROR", self._error or "NOT_READY", revision=self.revision)
        if not isinstance(path, str):  # else reading would raise
            return Parameter(None, "ERROR", "NOT_FOUND", revision=self.revision)
        reading = self._read(path)
        if not self._running.rules.knows(self._service, path):
            return Parameter(None, "ERROR", "NOT_FOUND", revision=self.revision)
        value = None if reading is None else _owned(reading)
        if reading is None or reading.winner < 0:
            return Parameter(value, "DEFAULT", revision=self.revision)
        match = self._result.matches[reading.winner]
        key = self._result.key(match.hash_key)
        return Parameter(
            value,
            "TARGETING_MATCH" if match.ruled else "SPLIT",
            layer_id=match.layer_id,
            eid=match.eid,
            vid=match.vid,
            slot=-1 if key is None else slot(match.salt, key),
            revision=self.revision,
        )

    def _value(self, path: str, owned: bool = False) -> object:
        reading = self._read(path)
        if reading is None:
            return None
        return _owned(reading) if owned else reading.value

    def _read(self, path: str) -> Reading | None:
        """Returns what is at a path, None if there is nothing, and records who is exposed
        by that."""
        running, result = self._running, self._result
        if running is None or result is None or not isinstance(path, str):
            return None
        reading = result.read(path)
        if reading.exposed or reading.hidden:
            self._exposures.record(running, self._service, result, reading)
        if reading.text is None or (not path and not running.rules.knows(self._service, path)):
            return None
        return reading


def evaluate(
    running: Running | None, exposures: Exposures, service: str, context: Context
) -> Evaluation:
    """Returns what a service gets in a context. It never raises."""
    if running is None:
        return Evaluation(None, exposures, service, None, "NOT_READY")
    if type(context) is not dict and not _is_mapping(context):
        return Evaluation(running, exposures, service, None, "INVALID_CONTEXT")
    if not isinstance(service, str):
        return Evaluation(running, exposures, service, None, "NOT_FOUND")
    return Evaluation(running, exposures, service, running.rules.evaluate(service, context), "")


def _is_mapping(context: object) -> bool:
    try:
        return isinstance(context, Mapping)
    except Exception:
        return False  # one that stands for another object asks that for its class


def _owned(reading: Reading) -> Any:
    """Returns a value that the caller may change."""
    shared = isinstance(reading.value, dict | list) and reading.text is not None
    return json.loads(reading.text or "null") if shared else reading.value
