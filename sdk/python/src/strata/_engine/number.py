"""Numbers and strings as JSON text, in the one form that all engines serve."""

from __future__ import annotations

import re
from math import isfinite

MAX_SAFE_INTEGER = 2**53 - 1
"""Up to here a double holds every integer exactly."""


def is_safe_integer(number: float) -> bool:
    return -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER and number == int(number)


def number_text(number: float) -> str:
    """Return a finite number as JSON text.

    Safe integers are digits; all others are the shortest text that gives the same
    double, with an exponent from 2^53 on, so that no reader takes them for an exact
    integer.
    """
    if is_safe_integer(number):
        return str(int(number))
    text = repr(number)
    size = abs(number)
    if 1e-4 <= size <= MAX_SAFE_INTEGER:
        return text
    sign, digits, exponent = _decimal(text)
    if 1e-6 <= size < 1:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{exponent:+d}"


def _decimal(text: str) -> tuple[str, str, int]:
    """Cut what repr gives into the sign, the digits and the exponent of the first one."""
    sign = "-" if text[0] == "-" else ""
    mantissa, _, exponent = text.removeprefix("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    leading = len(digits) - len(digits.lstrip("0"))
    return sign, digits.strip("0"), int(exponent or 0) + len(whole) - 1 - leading


_MUST_ESCAPE = re.compile(r'["\\\x00-\x1f]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def string_text(text: str) -> str:
    """Return a string as JSON text, escaping only what must be."""
    if _MUST_ESCAPE.search(text):
        text = _MUST_ESCAPE.sub(_escape, text)
    return f'"{text}"'


def _escape(found: re.Match[str]) -> str:
    c = found[0]
    return _SHORT_ESCAPES.get(c) or f"\\u{ord(c):04x}"


def finite(text: str) -> float | None:
    """Return the double nearest to the text of a JSON number; None for one beyond all."""
    number = float(text)
    return number if isfinite(number) else None
