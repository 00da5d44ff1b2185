"""From a key to a slot."""

from __future__ import annotations

from xxhash import xxh64_intdigest

from .value import plain, whole_text

SLOTS = 10_000
"""How many slots a layer has; a slot is 0.01 % of its traffic."""


def slot(salt: str, key: str) -> int:
    """Return the slot that a key falls into under a salt, 0 to 9,999.

    It is XXH64(salt || 0x00 || key, seed 0) mod 10,000, of UTF-8.
    """
    return xxh64_intdigest(salt_bytes(salt) + whole_text(key).encode()) % SLOTS


def salt_bytes(salt: str) -> bytes:
    """Return what is hashed before a key."""
    return whole_text(salt).encode() + b"\0"


def key_text(value: object) -> str | None:
    """Return the text that is hashed for a value of a context, None if it has none.

    Strings other than the empty one are hashed as they are, and numbers without
    fraction whose absolute value is at most 2^53 - 1 as decimal digits. It never
    raises, whatever the value is.
    """
    known = plain(value)
    if type(known) is str:
        return known or None
    if type(known) is int:
        return str(known)
    return None
