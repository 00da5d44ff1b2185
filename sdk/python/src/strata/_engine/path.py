"""Paths into parameters; see docs/semantics.md, Reading parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ESCAPED = re.compile(r"\\([.\\])|(\.)")


def parse_path(path: str) -> list[str]:
    """Return the keys of a path, none for the empty one. Every text is a path."""
    if path == "":
        return []
    if "\\" not in path:
        return path.split(".")
    keys = [""]
    at = 0
    for found in _ESCAPED.finditer(path):
        keys[-1] += path[at : found.start()]
        at = found.end()
        if found[2]:
            keys.append("")
        else:
            keys[-1] += found[1]
    keys[-1] += path[at:]
    return keys


def join_path(keys: Iterable[str]) -> str:
    """Return the path of some keys.

    It has no path for a single empty key, as the empty path is the parameters as a
    whole.
    """
    return ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in keys)
