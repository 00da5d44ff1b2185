"""What an evaluation answers, and what is read from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import getsizeof
from typing import TYPE_CHECKING, Final

from .merge import merge
from .outline import Outline
from .path import parse_path

if TYPE_CHECKING:
    from .cache import Cache
    from .params import Params
    from .resources import Linked


@dataclass(frozen=True, slots=True)
class Match:
    """A variant that takes part in a Result."""

    layer_id: str
    hash_key: str
    """The layer's: the context field that is hashed."""
    salt: str
    """The layer's: what is hashed before the key."""
    eid: int
    vid: int
    ruled: bool
    """The experiment has a rule."""
    window: int
    """Equal in two Rulesets, of which one was made from the other, if neither the layer
    nor the experiment changed between them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is found at a path, and who is exposed by that.

    See docs/semantics.md, Reading parameters. It is shared: read it only.
    """

    path: str
    text: str | None
    """The JSON text of the value, None if there is none."""
    value: object
    """The value itself, None if there is none.

    Safe integers are ints, other numbers floats. A dict or list in it is shared and
    must not be changed: json.loads(text) makes one of your own.
    """
    winner: int
    """The match that set it, -1 if there is none."""
    exposed: tuple[int, ...]
    """The matches whose experiments have a leaf there, below, or at the beginning of the
    path, in order, and make a difference."""
    hidden: tuple[int, ...]
    """Those that do not, as matches of higher priority hide all such leaves."""

    @property
    def found(self) -> bool:
        """Whether there is a value."""
        return self.text is not None


_MOST_READINGS: Final = 256
# How many paths of a result are remembered. Code reads a few; more come from outside.


class Merged:
    """What the same combination of variants gets, whoever it is.

    It holds strings and numbers alone, so that a cached one keeps no configuration
    alive.
    """

    __slots__ = ("held", "matched_layers", "matches", "parameters", "readings", "vids")

    def __init__(self, linked: Sequence[Linked]) -> None:
        self.matches = tuple([found.match for found in linked])
        self.vids = tuple([m.vid for m in self.matches])
        self.matched_layers = tuple([m.layer_id for m in self.matches])
        self.parameters = merge([(i, found.params) for i, found in enumerate(linked)])
        self.readings: dict[str, Reading] = {}
        self.held = 0

    def size(self) -> int:
        """Return about how many bytes it holds, without its readings."""
        return 1024 + getsizeof(self.parameters) + 256 * len(self.matches)


class Result:
    """What one service gets in one context. It never changes."""

    __slots__ = ("_cache", "_keys", "_linked", "_merged")

    def __init__(
        self,
        merged: Merged,
        linked: Sequence[Linked],
        keys: Mapping[str, bytes | None],
        cache: Cache[Merged] | None,
    ) -> None:
        self._merged = merged
        self._linked = linked
        self._keys = keys
        self._cache = cache

    @property
    def parameters(self) -> str:
        """The text of the merged JSON object, without white space."""
        return self._merged.parameters

    @property
    def vids(self) -> tuple[int, ...]:
        """The matched variants, highest priority first."""
        return self._merged.vids

    @property
    def matched_layers(self) -> tuple[str, ...]:
        """Their layers, in the same order."""
        return self._merged.matched_layers

    @property
    def matches(self) -> tuple[Match, ...]:
        """The matches, in the same order."""
        return self._merged.matches

    def key(self, hash_key: str) -> str | None:
        """Return the key text that the layers with a hash key hashed in this evaluation.

        It is None where the context had none, or no such layer was asked.
        """
        key = self._keys.get(hash_key)
        return None if key is None else key.decode()

    def read(self, path: str) -> Reading:
        """Return what is at a path, and who is exposed by reading it.

        A path that was read before in the same combination of variants is remembered.
        """
        reading = self._merged.readings.get(path)
        if reading is None:
            reading = self._read(path)
            self._remember(reading)
        return reading

    def leaves(self) -> list[Reading]:
        """Return the leaves of all matched experiments, by path. The caller owns the list."""
        outline = Outline()
        for found in self._linked:
            outline.join(found.experiment.outline())
        return [self._read(path) for path in outline.leaf_paths()]

    def _read(self, path: str) -> Reading:
        keys = parse_path(path)
        way = _Way([(i, found.params) for i, found in enumerate(self._linked)], keys)
        text, winner = way.value()
        if not keys:
            text = self._merged.parameters
        exposed: list[int] = []
        hidden: list[int] = []
        for i, found in enumerate(self._linked):
            leaves, covered = way.covers(found.experiment.outline(), i)
            if leaves and covered:
                hidden.append(i)
            elif leaves or not keys:
                exposed.append(i)
        value = None if text is None else json.loads(text)
        return Reading(path, text, value, winner, tuple(exposed), tuple(hidden))

    def _remember(self, reading: Reading) -> None:
        readings = self._merged.readings
        if self._cache is None or len(readings) >= _MOST_READINGS:
            return
        # The value takes several times as much as its text.
        size = 512 + getsizeof(reading.path) + 8 * len(reading.text or "")
        size += 16 * (len(reading.exposed) + len(reading.hidden))
        if self._cache.grow(self._merged, size):
            readings[reading.path] = reading


_NEVER = 1 << 62
# Stands for a match that there is none of.


class _Way:
    """The way down some parameters, merged, along a path.

    What is asked for each leaf of each match is whether the matches above it have a
    value there. As what is there stays, whatever comes below, one merge answers that
    for all matches: it says for each place which match was the first to have a value
    there.
    """

    __slots__ = ("_below", "_keys", "_objects", "_reached", "_whole")

    def __init__(self, contributors: list[tuple[int, Params]], keys: list[str]) -> None:
        self._keys = keys
        # By how many keys have been followed: the first match that has a value there,
        # or no object on the way there.
        self._reached: list[int] = []
        # The value that is no object which ends the way, and after how many keys.
        self._whole: tuple[int, str] | None = None
        self._objects = contributors
        # What is merged below the path, made when it is first asked for.
        self._below: dict[str, _Place] | None = None
        for key in keys:
            self._follow(key)

    def _follow(self, key: str) -> None:
        objects: list[tuple[int, Params]] = []
        first = self._reached[-1] if self._whole else _NEVER
        for match, params in self._objects:
            member = params.members.get(key)
            if member is None:
                continue
            if member.child is not None:
                objects.append((match, member.child))
            elif not objects:
                self._whole = len(self._reached) + 1, params.text[member.value : member.end]
                first = match
                break
        if objects:
            first = objects[0][0]
        self._objects = objects
        self._reached.append(first)

    def value(self) -> tuple[str | None, int]:
        """Return the text of what is at the path, and the match that set it."""
        if self._whole is not None:
            at, text = self._whole
            return (text, self._reached[-1]) if at == len(self._keys) else (None, -1)
        if not self._objects:
            return None, -1
        return merge(self._objects) if self._keys else None, self._objects[0][0]

    def covers(self, outline: Outline, match: int) -> tuple[bool, bool]:
        """Say what the matches above one make of leaves, which an outline has.

        Return whether there are leaves at the beginning of the path, there or below, and
        whether all of them are covered.
        """
        leaves, covered = False, True
        for key, reached in zip(self._keys, self._reached, strict=True):
            child = outline.children.get(key)
            if child is None:
                return leaves, covered
            outline = child
            if outline.leaf:
                leaves, covered = True, covered and reached < match
        if not outline.children:
            return leaves, covered
        todo = [(outline, self._at_end())]
        while todo:
            outline, place = todo.pop()
            for key, child in outline.children.items():
                under = place
                if place.children is not None:
                    under = place.children.get(key, _NOWHERE)
                if child.leaf:
                    leaves, covered = True, covered and under.first < match
                if child.children:
                    todo.append((child, under))
        return leaves, covered

    def _at_end(self) -> _Place:
        first = self._reached[-1] if self._reached else _NEVER
        if self._whole or not self._objects:
            return _Place(first, None)
        if self._below is None:
            self._below = _merge_places(self._objects)
        return _Place(first, self._below)


class _Place:
    """Where some parameters, merged, have a value."""

    __slots__ = ("children", "first")

    def __init__(self, first: int, children: dict[str, _Place] | None) -> None:
        self.first = first
        """The first match that has a value there."""
        self.children = children
        """What is below; None where the value is no object, and so all below is the same."""


_NOWHERE: Final = _Place(_NEVER, None)


def _merge_places(contributors: Sequence[tuple[int, Params]]) -> dict[str, _Place]:
    root: dict[str, _Place] = {}
    for match, params in contributors:
        todo = [(root, params)]
        while todo:
            places, params = todo.pop()
            for key, member in params.members.items():
                place = places.get(key)
                if place is None:
                    children: dict[str, _Place] | None = None if member.child is None else {}
                    place = places[key] = _Place(match, children)
                if place.children is not None and member.child is not None:
                    todo.append((place.children, member.child))
    return root


NOTHING: Final = Result(Merged(()), (), {}, None)
"""The result where nothing matched."""
