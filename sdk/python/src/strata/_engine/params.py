"""Parameters: read once, and written in the one form that is served."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from .fault import MAX_FAULTS, Reason
from .number import finite, is_safe_integer, number_text, string_text
from .value import byte_length, clip

MAX_PARAMS_BYTES = 1 << 20
"""How long the JSON text of parameters may be."""
MAX_PARAMS_DEPTH = 64
"""How deep they may be nested, the outer object counted as 1."""
MAX_KEY_BYTES = 256
"""How long a key may be."""

_MAX_SYNTAX_DEPTH = 200


class Params:
    """A JSON object of parameters.

    Its text is a part of that of the outermost object, which all objects in it
    share.
    """

    __slots__ = ("end", "members", "start", "text")

    def __init__(self, start: int) -> None:
        self.text = ""
        """Of the outermost object, in normal form: no white space, keys in their order."""
        self.start = start
        self.end = start
        self.members: dict[str, Member] = {}

    def json(self) -> str:
        return self.text[self.start : self.end]


class Member(NamedTuple):
    """A key of an object with its value: where they stand in the text."""

    start: int
    """Of the key."""
    value: int
    """Where the value begins."""
    end: int
    child: Params | None
    """The value, if that is an object."""


@dataclass(frozen=True, slots=True)
class ParamsFault:
    """What is wrong with parameters, and where."""

    path: str
    problem: str
    reason: Reason = Reason.INVALID_PARAMS


class ParamsError(Exception):
    """Parameters are refused."""

    def __init__(self, faults: list[ParamsFault]) -> None:
        super().__init__(faults)
        self.faults = faults


def parse_params(text: str) -> Params:
    """Read the text of a JSON object. It raises ParamsError."""
    size = byte_length(text)
    if size > MAX_PARAMS_BYTES:
        problem = f"is {size} bytes long, at most {MAX_PARAMS_BYTES} are allowed"
        raise ParamsError([ParamsFault("", problem, Reason.PARAMS_TOO_LARGE)])
    parser = _Parser(text)
    try:
        return parser.parse()
    except _SyntaxError as e:
        raise ParamsError([ParamsFault("", e.problem(text))]) from None


def join_place(path: str, key: str) -> str:
    """Return the place of a key, or of an index in brackets, under another place."""
    if path == "" or key == "" or key[0] == "[":
        return path + key
    return f"{path}.{key}"


class _SyntaxError(Exception):
    """Text that is no JSON."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self._at, self._what = at, what

    def problem(self, text: str) -> str:
        what = self._what
        if self._at >= len(text):
            what = "the text ends too early: " + what
        return f"not valid JSON at byte {byte_length(text[: self._at])}: {what}"


_SPACE = re.compile(r"[ \n\r\t]*")
_PLAIN_STRING = re.compile(r'"([^"\\\x00-\x1f\ud800-\udfff]*)"')
_STRING_RUN = re.compile(r'[^"\\\x00-\x1f]*')
_SURROGATE = re.compile("[\ud800-\udfff]")
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_KINDS = {'"': "a string", "[": "a list", "t": "a boolean", "f": "a boolean", "n": "null"}
_WORDS = {"t": "true", "f": "false", "n": "null"}


def _kind(c: str) -> str:
    """Return the kind of the value that begins with a character; empty if none does."""
    return "a number" if c == "-" or "0" <= c <= "9" else _KINDS.get(c, "")


class _Parser:
    """Reads parameters and writes their normal form as it goes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._out: list[str] = []
        self._size = 0
        self._faults: list[ParamsFault] = []
        # The keys and indexes that lead to the open value.
        self._steps: list[str | int] = []
        self._objects: list[Params] = []

    def parse(self) -> Params:
        first = self._next()
        if kind := _kind(first):
            raise ParamsError([ParamsFault("", f"want an object, got {kind}")])
        if first != "{":
            raise _SyntaxError(self._at, "want an object")
        root = self._object(1)
        if self._next():
            raise _SyntaxError(self._at, "text after the end of the value")
        if self._faults:
            raise ParamsError(self._faults)
        text = "".join(self._out)
        for o in self._objects:
            o.text = text
        return root

    def _next(self) -> str:
        """Pass over white space, and return the character after it; empty at the end."""
        text, at = self._text, self._at
        if text[at : at + 1] in " \n\r\t":
            at = self._at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        return text[at : at + 1]

    def _write(self, text: str) -> None:
        self._out.append(text)
        self._size += len(text)

    def _fail(self, problem: str, *under: str) -> None:
        """Note a fault of the open value, or of one under it."""
        if len(self._faults) >= MAX_FAULTS:
            return
        path = ""
        for step in (*self._steps, *under):
            path = join_place(path, f"[{step}]" if isinstance(step, int) else step)
        self._faults.append(ParamsFault(path, problem))

    def _value(self, depth: int) -> Params | None:
        """Read the value that the steps lead to. Return the object, if it is one."""
        c = self._next()
        if c == '"':
            self._write(string_text(self._string()))
        elif c == "{":
            if depth == MAX_PARAMS_DEPTH:
                self._skip_deep(depth)
                return Params(0)
            return self._object(depth + 1)
        elif c == "[":
            if depth == MAX_PARAMS_DEPTH:
                self._skip_deep(depth)
            else:
                self._list(depth + 1)
        elif c in _WORDS and c:
            self._write(self._word(_WORDS[c]))
        elif _kind(c):
            self._number()
        else:
            raise _SyntaxError(self._at, "want a value")
        return None

    def _object(self, depth: int) -> Params:
        o = Params(self._size)
        members = o.members
        self._write("{")
        self._at += 1
        first = True
        while self._another("}", first):
            key, c = self._key()
            if not first:
                self._write(",")
            first = False
            if byte_length(key) > MAX_KEY_BYTES:
                problem = (
                    f"has a key of {byte_length(key)} bytes, at most {MAX_KEY_BYTES} are allowed"
                )
                self._fail(problem, clip(key))
            start = self._size
            self._write(c)
            value = self._size
            self._steps.append(key)
            child = self._value(depth)
            self._steps.pop()
            if key in members:
                self._fail("stands twice", key)
            members[key] = Member(start, value, self._size, child)
        self._write("}")
        o.end = self._size
        self._objects.append(o)
        return o

    def _key(self) -> tuple[str, str]:
        """Read a key and its colon. Return the key, and its normal form with the colon."""
        if self._next() != '"':
            raise _SyntaxError(self._at, "want a key in double quotes")
        key = self._string()
        if self._next() != ":":
            raise _SyntaxError(self._at, "want a colon after the key")
        self._at += 1
        return key, string_text(key) + ":"

    def _list(self, depth: int) -> None:
        self._write("[")
        self._at += 1
        index = 0
        while self._another("]", index == 0):
            if index > 0:
                self._write(",")
            self._steps.append(index)
            self._value(depth)
            self._steps.pop()
            index += 1
        self._write("]")

    def _another(self, closing: str, first: bool) -> bool:
        """Move to the next element, over a comma unless it is the first one.

        Return False at the end of the object or list, which is read.
        """
        c = self._next()
        if c == closing:
            self._at += 1
            return False
        if not c:
            raise _SyntaxError(self._at, f"want {closing}")
        if first:
            return True
        if c != ",":
            raise _SyntaxError(self._at, f"want a comma or {closing}")
        self._at += 1
        if self._next() == closing:
            raise _SyntaxError(self._at, f"a comma before {closing}")
        return True

    def _word(self, word: str) -> str:
        if not self._text.startswith(word, self._at):
            raise _SyntaxError(self._at, f"want {word}")
        self._at += len(word)
        return word

    def _number(self) -> None:
        text = self._number_text()
        number = finite(text)
        if number is None:
            self._fail(f"{clip(text)} is larger than a double can be")
        elif not is_safe_integer(number) and text.removeprefix("-").isdigit():
            self._fail(
                f"{clip(text)} is an integer beyond 2^53 - 1, which readers round differently: "
                "write it as a string"
            )
        else:
            self._write(number_text(number))

    def _number_text(self) -> str:
        text, start = self._text, self._at
        found = _NUMBER.match(text, start)
        if found is None:
            raise _SyntaxError(start + 1, "want a digit")
        end = found.end()
        c = text[end : end + 1]
        if c.isascii() and c.isdigit():
            raise _SyntaxError(end, "a number with a leading zero")
        if (c == "." and "." not in found[0] and "e" not in found[0].lower()) or (
            c in "eE" and c and "e" not in found[0].lower()
        ):
            end += 1
            if c != "." and text[end : end + 1] in ("+", "-"):
                end += 1
            raise _SyntaxError(end, "want a digit")
        self._at = end
        return found[0]

    def _string(self) -> str:
        if found := _PLAIN_STRING.match(self._text, self._at):
            self._at = found.end()
            return found[1]
        text, start = self._text, self._at + 1
        at, parts = start, []
        while True:
            run = _STRING_RUN.match(text, at)
            assert run is not None  # it matches nothing, too
            parts.append(run[0])
            at = run.end()
            c = text[at : at + 1]
            if c == '"':
                break
            if c != "\\":
                what = (
                    "a control character in a string must be escaped"
                    if c
                    else "a string without an end"
                )
                raise _SyntaxError(at, what)
            decoded, at = self._escape(at)
            parts.append(decoded)
        if _SURROGATE.search("".join(parts)):
            raise _SyntaxError(start, "a string that is not valid UTF-8")
        self._at = at + 1
        return "".join(parts)

    def _escape(self, at: int) -> tuple[str, int]:
        """Decode an escape. Return what it means, and where it ends."""
        text = self._text
        c = text[at + 1 : at + 2]
        if not c:
            raise _SyntaxError(at, "a backslash at the end of the text")
        if c in _ESCAPES:
            return _ESCAPES[c], at + 2
        if c != "u":
            raise _SyntaxError(at, "an unknown escape")
        if not _HEX4.match(text, at + 2):
            raise _SyntaxError(at, "want four hexadecimal digits after \\u")
        high = int(text[at + 2 : at + 6], 16)
        if not 0xD800 <= high < 0xE000:
            return chr(high), at + 6
        if high < 0xDC00 and text[at + 6 : at + 8] == "\\u" and _HEX4.match(text, at + 8):
            low = int(text[at + 8 : at + 12], 16)
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + (high - 0xD800 << 10) + low - 0xDC00), at + 12
        raise _SyntaxError(at, "half of a surrogate pair")

    def _skip_deep(self, depth: int) -> None:
        """Note that the value is nested too deep, and pass over it.

        It may be nested much deeper, and so is read without going down.
        """
        self._fail(f"is nested deeper than {MAX_PARAMS_DEPTH} levels")
        closings: list[str] = []
        while True:
            c = self._next()
            if c in ("{", "[") and c:
                if depth + len(closings) == _MAX_SYNTAX_DEPTH:
                    raise _SyntaxError(self._at, f"nested deeper than {_MAX_SYNTAX_DEPTH} levels")
                self._at += 1
                closings.append("}" if c == "{" else "]")
                first = True
            else:
                self._skip_scalar(c)
                first = False
            while closings and not self._another(closings[-1], first):
                closings.pop()
                first = False
            if not closings:
                return
            if closings[-1] == "}":
                self._key()

    def _skip_scalar(self, c: str) -> None:
        if c == '"':
            self._string()
        elif c in _WORDS:
            self._word(_WORDS[c])
        elif _kind(c):
            self._number_text()
        else:
            raise _SyntaxError(self._at, "want a value")
