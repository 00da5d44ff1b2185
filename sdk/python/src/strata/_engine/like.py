"""Patterns of like."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\[*\\]|\*", re.DOTALL)


class Pattern:
    """A compiled pattern: the literal pieces between its stars."""

    __slots__ = ("_first", "_last", "_middle", "_shortest", "_single")

    def __init__(self, text: str) -> None:
        """Compile a pattern.

        A star is any run of characters, the empty one included; \\* and \\\\ are a
        literal star and backslash, and a backslash before anything else stands for
        itself.
        """
        pieces = [""]
        at = 0
        for token in _TOKEN.finditer(text):
            pieces[-1] += text[at : token.start()]
            at = token.end()
            if token[0] == "*":
                pieces.append("")
            else:
                pieces[-1] += token[0][1]
        pieces[-1] += text[at:]
        self._single = len(pieces) == 1
        self._first, self._last = pieces[0], pieces[-1]
        self._middle = tuple(pieces[1:-1])
        self._shortest = len(self._first) + len(self._last)

    def match(self, text: str) -> bool:
        """Report whether the whole text matches.

        Each piece is taken at its first place after the one before: if any choice
        of places fits, this one does, so nothing is ever tried twice.
        """
        if self._single:
            return text == self._first
        if (
            len(text) < self._shortest
            or not text.startswith(self._first)
            or not text.endswith(self._last)
        ):
            return False
        at, end = len(self._first), len(text) - len(self._last)
        for piece in self._middle:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True
