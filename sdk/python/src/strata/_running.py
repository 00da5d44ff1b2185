"""The configuration that is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from strata._engine import Ruleset, key_of
from strata._engine.cache import Cache
from strata._view import View, compile_view

_MAX_UNITS = 16
MAX_KEY_BYTES = 4096
"""How long a key may be that is sent."""


@dataclass(frozen=True, eq=False)
class Running:
    """A configuration with what it was compiled to. It never changes."""

    view: View
    rules: Ruleset

    @staticmethod
    def of(before: Running | None, view: View) -> Running:
        """Compiles what differs from what runs. It raises ViewFaults."""
        previous = None if before is None else (before.view, before.rules)
        return Running(view, compile_view(previous, view))

    def of_child(self) -> Running:
        """Returns the same for a process that was forked: without the lock of the cache,
        which another thread of the parent may have held."""
        return Running(self.view, Ruleset(self.rules._state, Cache()))

    @cached_property
    def hash_keys(self) -> tuple[str, ...]:
        """The context fields that layers hash."""
        return tuple(self.rules.hash_keys())

    def units(self, context: Mapping[str, object]) -> dict[str, str]:
        """Returns the key texts of a context, by the field that is hashed."""
        units: dict[str, str] = {}
        for name in self.hash_keys:
            key = key_of(context, name)
            if key is not None and sendable(key, MAX_KEY_BYTES) and len(units) < _MAX_UNITS:
                units[name] = key
        return units


NO_RULES = compile_view(None, View.empty())
"""The rules of nothing, for those who ask before there are any."""


def sendable(text: str, most: int) -> bool:
    """Reports whether a text can stand in a message: at most so many bytes of UTF-8."""
    try:
        return len(text) <= most and len(text.encode()) <= most
    except UnicodeEncodeError:
        return False
