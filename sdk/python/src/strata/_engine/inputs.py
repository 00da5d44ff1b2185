"""One evaluation's view of a context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .bucket import key_text
from .value import Plain, plain


class _Absent:
    __slots__ = ()


ABSENT: Final = _Absent()
"""What a context has under a name that it does not have."""


def look_up(context: Mapping[str, object], name: str) -> object:
    """Return what a context has under a name, or ABSENT. It never raises."""
    try:
        return context.get(name, ABSENT)
    except Exception:
        # A context is the caller's, with code of its own. What it does not tell
        # is absent.
        return ABSENT


def key_of(context: Mapping[str, object], hash_key: str) -> str | None:
    """Return the key text that a layer with this hash key hashes; None if there is none.

    It never raises.
    """
    return key_text(look_up(context, hash_key))


class Keys(dict[str, bytes | None]):
    """The keys that were made of attributes, by hash key, each when first asked for."""

    __slots__ = ("_context",)

    def __init__(self, context: Mapping[str, object]) -> None:
        self._context = context

    def __missing__(self, name: str) -> bytes | None:
        text = key_of(self._context, name)
        key = self[name] = None if text is None else text.encode()
        return key


class Inputs(dict[str, Plain | None]):
    """The attributes that rules asked for, each read once, when first asked for.

    So an evaluation costs nothing for what no rule looks at, and sees one value of
    each attribute, even if another thread changes the context meanwhile.
    """

    __slots__ = ("_context", "hashed")

    def __init__(self, context: Mapping[str, object]) -> None:
        self._context = context
        self.hashed = Keys(context)

    def __missing__(self, name: str) -> Plain | None:
        value = self[name] = plain(look_up(self._context, name))
        return value

    def raw(self, name: str) -> object:
        """Return what the context has under a name, or ABSENT."""
        return look_up(self._context, name)
