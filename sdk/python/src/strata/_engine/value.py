"""Values of a context, as rules and layers see them."""

from __future__ import annotations

from math import isfinite
from typing import Any, TypeAlias

from .number import MAX_SAFE_INTEGER, is_safe_integer

Plain: TypeAlias = str | bool | int | float
"""A value that can be compared: of these types themselves, never of a subclass.

A number without fraction up to 2^53 - 1 is an int, however it was written, and
every other one a finite float. A string has no half of a surrogate pair.
"""


def plain(value: Any) -> Plain | None:
    """Return what a value counts as; None for null and for what counts as nothing.

    It never raises and runs no code of the value: of a subclass of str, int or
    float it takes the content. Lists, dicts, Decimal, dates and all other types
    count as nothing, and so do NaN and the infinities. Of integers beyond 2^53 - 1
    it takes the nearest double, and of half a surrogate pair U+FFFD.
    """
    kind = type(value)
    if kind is str:
        return value if value.isascii() else whole_text(value)
    if kind is bool:
        return value is True
    if kind is int:
        return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else _rounded(value)
    if kind is float:
        return _float(value)
    if value is None:
        return None
    return _inherited(value)


def _inherited(value: Any) -> Plain | None:
    # isinstance would ask the value itself for its class.
    kind = type(value)
    if issubclass(kind, str):
        return whole_text(str.__str__(value))
    if issubclass(kind, int):
        return plain(int.__int__(value))
    if issubclass(kind, float):
        return _float(float.__float__(value))
    return None


def _rounded(number: int) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None


def _float(number: float) -> int | float | None:
    if not isfinite(number):
        return None
    return int(number) if is_safe_integer(number) else number


def whole_text(text: str) -> str:
    """Return a text that UTF-8 can hold: each half of a surrogate pair becomes U+FFFD.

    Two halves that stand together are the character that they mean, as they are in
    JavaScript.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clip(text: str) -> str:
    """Shorten text that came from outside, for use in a message."""
    most = 40
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return text
    return encoded[:most].decode("utf-8", "ignore") + "..."


def byte_length(text: str) -> int:
    """Return how long a text is in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def is_utf8(text: str) -> bool:
    """Report whether UTF-8 can hold a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
