"""Why calls fail, and how servers of Connect say so."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from typing import Any

_CODES = {
    400: "internal",
    401: "unauthenticated",
    403: "permission_denied",
    404: "unimplemented",
    429: "unavailable",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
"""What a status means that does not come from a server of Connect, by its protocol."""


class CallError(Exception):
    """Why a call has failed."""

    def __init__(
        self, code: str, message: str, reason: str = "", metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        """As Connect writes it, such as "unavailable"."""
        self.reason = reason
        """What the server says for programs: the name of an ErrorReason, or nothing."""
        self.metadata: Mapping[str, str] = metadata or {}
        """What belongs to the reason."""


def broken(error: Exception) -> CallError:
    """Returns what an error of a connection means."""
    return CallError("unavailable", str(error) or type(error).__name__)


def error_of(status: int, data: bytes) -> CallError:
    """Returns what an answer means whose status is not 200."""
    code = _CODES.get(status, "unknown")
    body = json_object(data)
    if not isinstance(body.get("code"), str):
        return CallError(code, f"the server answers with the status {status}")
    return error_in(body, code)


def error_in(body: object, code: str) -> CallError:
    """Returns the error that stands in an answer, as far as that is one."""
    if not isinstance(body, dict):
        return CallError(code, "the server answers with an error that can not be read")
    code, message = body.get("code", code), body.get("message", "")
    reason = ""
    metadata: dict[str, str] = {}
    details = body.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and detail.get("type") == "google.rpc.ErrorInfo":
            with contextlib.suppress(ValueError, IndexError):
                text = str(detail.get("value", ""))
                reason, metadata = _error_info(base64.b64decode(text + "=" * (-len(text) % 4)))
    return CallError(str(code), str(message), reason, metadata)


def json_object(data: bytes) -> dict[str, Any]:
    """Returns the JSON object that is written there, an empty one if none is."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _error_info(data: bytes) -> tuple[str, dict[str, str]]:
    """Reads a google.rpc.ErrorInfo of the domain "strata".

    Its package has no generated code here: the message is three fields, of which
    the third is a map of texts.
    """
    reason = domain = ""
    metadata: dict[str, str] = {}
    for number, value in _fields(data):
        if number == 1:
            reason = value.decode()
        elif number == 2:
            domain = value.decode()
        elif number == 3:
            entry = dict(_fields(value))
            metadata[entry.get(1, b"").decode()] = entry.get(2, b"").decode()
    return (reason, metadata) if domain == "strata" else ("", {})


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Returns the fields of a message that has nothing but texts and messages."""
    found, at = [], 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 != 2:
            raise ValueError("a field of another kind")
        length, at = _varint(data, at)
        if at + length > len(data):
            raise ValueError("a field that does not end")
        found.append((tag >> 3, data[at : at + length]))
        at += length
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number that is too large")
