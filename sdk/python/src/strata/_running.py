"""The configuration that is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from strata._engine import Ruleset, key_of
from strata._view import View, compile_view

_MAX_UNITS = 16
MAX_KEY_BYTES = 4096
"""How long a key may be that is sent."""


@dataclass(frozen=True, eq=False)
class Running:
    """A configuration with what it was compiled to. It never changes."""

    view: View
    rules: Ruleset
    hash_keys: tuple[str, ...]
    """The context fields that layers hash."""

    @staticmethod
    def of(before: Running | None, view: View) -> Running:
        """Compiles what differs from what runs. It raises ViewFaults."""
        previous = None if before is None else (before.view, before.rules)
        rules = compile_view(previous, view)
        return Running(view, rules, tuple(rules.hash_keys()))

    def of_child(self) -> Running:
        """Returns the same for a process that was forked, with no lock of the parent's."""
        return replace(self, rules=self.rules.detached())

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
