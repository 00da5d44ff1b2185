"""Versions by SemVer 2.0.0."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

Version: TypeAlias = tuple[int, str, int, str, int, str, bool, tuple[tuple[int, int, str], ...]]
"""A version, in a form that compares by SemVer's precedence.

Numbers are digits with their count before them, since they have no upper limit.
"""

_IDENTIFIER = re.compile(r"[0-9A-Za-z-]+")
_NUMBER = re.compile(r"0|[1-9][0-9]*")
_DIGITS = re.compile(r"[0-9]+")


def parse_version(text: str) -> Version | None:
    """Return a version; None for a text that is none.

    A leading v is allowed, and missing minor or patch are 0. Build metadata is
    checked and dropped.
    """
    return _remembered(text) if len(text) <= _MOST_REMEMBERED else _parse(text)


def _parse(text: str) -> Version | None:
    rest, plus, build = text.removeprefix("v").partition("+")
    if plus and not all(map(_IDENTIFIER.fullmatch, build.split("."))):
        return None
    rest, minus, prerelease = rest.partition("-")
    numbers = rest.split(".")
    if len(numbers) > 3 or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    major, minor, patch = (*numbers, "0", "0")[:3]
    identifiers = []
    for identifier in prerelease.split(".") if minus else ():
        if _DIGITS.fullmatch(identifier):
            if not _NUMBER.fullmatch(identifier):
                return None
            identifiers.append((0, len(identifier), identifier))
        elif _IDENTIFIER.fullmatch(identifier):
            identifiers.append((1, 0, identifier))
        else:
            return None
    return (
        *(len(major), major, len(minor), minor, len(patch), patch),
        not minus,
        tuple(identifiers),
    )


# Layers ask the same few versions again and again. Longer texts are no versions
# that anybody has, and would take memory.
_MOST_REMEMBERED = 64
_remembered = lru_cache(maxsize=1024)(_parse)
