"""Whatever a context holds, an evaluation answers."""

from __future__ import annotations

import math
from collections import UserDict, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn, cast

import pytest
from snapshots import condition, experiment, layer, tree

from strata._engine import Outcome, Ruleset, key_of, key_text
from strata._gen.strata.config.v1 import config_pb as pb
from strata._gen.strata.config.v1.config_pb import FieldType, Operator


def rules() -> Ruleset:
    """Return a layer whose rule, of conditions of all types, is TRUE on anything but "no"."""
    fields = dict(zip("sifbv", list(FieldType)[1:], strict=True))
    values: dict[str, str | float | bool] = {"s": "x", "i": 1, "f": 0.5, "b": True, "v": "1.0.0"}
    conditions = [condition(name, Operator.IN, v) for name, v in values.items()]
    conditions += [condition(name, Operator.NEQ, v) for name, v in values.items()]
    return Ruleset.compile(
        None,
        pb.Snapshot(
            layers=[layer("open", (0, 10_000, 1), priority=2), layer("ruled", (0, 10_000, 2))],
            experiments=[
                experiment(1, {1: '{"a":1}'}),
                experiment(2, {2: '{"b":1}'}, tree(Operator.OR, *conditions)),
            ],
            fields=[pb.Field(name=name, type=typ) for name, typ in fields.items()],
        ),
    )


class Bomb:
    """Raises whatever is asked of it."""

    def _raise(self, *_: object) -> NoReturn:
        raise RuntimeError("boom")

    __eq__ = __hash__ = __str__ = __repr__ = __float__ = __int__ = __bool__ = __len__ = _raise
    __iter__ = __getitem__ = __index__ = __lt__ = __getattr__ = __format__ = _raise

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("boom")


class Liar:
    """Says that it is a string."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return str


class BadText(str):
    def _raise(self, *_: object) -> NoReturn:
        raise RuntimeError("boom")

    __str__ = __eq__ = encode = isascii = __len__ = _raise  # type: ignore[assignment]

    def __hash__(self) -> int:
        raise RuntimeError("boom")


class BadInt(int):
    def _raise(self, *_: object) -> NoReturn:
        raise RuntimeError("boom")

    __int__ = __eq__ = __le__ = __ge__ = __index__ = __float__ = _raise
    __hash__ = int.__hash__


class BadFloat(float):
    def _raise(self, *_: object) -> NoReturn:
        raise RuntimeError("boom")

    __int__ = __eq__ = __le__ = __ge__ = __float__ = _raise
    __hash__ = float.__hash__


class BadDict(dict[str, object]):
    def _raise(self, *_: object) -> NoReturn:
        raise RuntimeError("boom")

    get = __getitem__ = __contains__ = __iter__ = __len__ = keys = items = _raise


CYCLE: list[object] = []
CYCLE.append(CYCLE)
DEEP: list[object] = []
for _ in range(100_000):
    DEEP = [DEEP]

UNUSABLE = [
    *(Bomb(), Liar(), CYCLE, DEEP, {"a": CYCLE}, BadDict(), object(), Bomb, rules),
    *(math.nan, math.inf, -math.inf, 10**5000, -(10**5000)),
    *(Decimal(1), Fraction(1), 1j, datetime.now(UTC), b"x", bytearray(b"x"), (1,), {1}, range(1)),
    None,
]


# pytest looks at parameters, which these do not bear.
@pytest.mark.parametrize("i", range(len(UNUSABLE)), ids=lambda i: type(UNUSABLE[i]).__name__)
def test_unusable_values_count_as_nothing(i: int) -> None:
    value = UNUSABLE[i]
    context = dict.fromkeys("sifbv", value)
    engine = rules()
    assert engine.evaluate("s", {**context, "user_id": "u"}).vids == (1,)
    assert (
        engine.explain("s", {**context, "user_id": "u"}).layers[1].outcome == Outcome.RULE_UNKNOWN
    )
    explained = engine.explain("s", {"user_id": value})
    assert explained.result.vids == ()
    assert [layer.outcome for layer in explained.layers] == [Outcome.NO_KEY] * 2
    assert explained.layers[0].detail.startswith("user_id is ")
    assert key_text(value) is None


def test_subclasses_are_taken_by_their_content() -> None:
    cases: list[tuple[object, str | None, bool]] = [
        (BadText("x"), "x", True),
        (BadInt(1), "1", True),
        (BadFloat(0.5), None, True),
        (BadInt(2**60), None, True),  # a float that is not 0.5
        (BadFloat(math.nan), None, False),
    ]
    for value, key, matches in cases:
        assert key_text(value) == key
        context = {**dict.fromkeys("sifbv", value), "user_id": "u"}
        assert rules().evaluate("s", context).vids == ((1, 2) if matches else (1,))


class Raising(Mapping[str, object]):
    def __getitem__(self, name: str) -> object:
        raise RuntimeError("boom")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("boom")

    def __len__(self) -> int:
        raise RuntimeError("boom")


class Colliding:
    """A key that meets another one's hash, and raises when it is compared."""

    def __hash__(self) -> int:
        return hash("user_id")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("boom")


NO_CONTEXTS: list[Any] = [
    *(Raising(), BadDict(), None, [], "user_id", 7, Bomb(), object(), {Colliding(): 1}, {1: 2}),
]


@pytest.mark.parametrize("i", range(len(NO_CONTEXTS)), ids=lambda i: type(NO_CONTEXTS[i]).__name__)
def test_contexts_that_are_none(i: int) -> None:
    context = NO_CONTEXTS[i]
    engine = rules()
    assert engine.evaluate("s", context).parameters == "{}"
    assert engine.explain("s", context).layers[0].detail == "the context has no user_id"
    assert key_of(context, "user_id") is None


def test_mappings_are_contexts() -> None:
    engine = rules()
    for context in (UserDict({"user_id": "u"}), {"user_id": "u", 1: 2, None: CYCLE}):
        assert engine.evaluate("s", cast(Mapping[str, object], context)).vids == (1,)
    asked: defaultdict[str, object] = defaultdict(str)
    assert engine.evaluate("s", asked).vids == ()
    assert not asked  # it is not filled by being asked


def test_an_attribute_is_read_once() -> None:
    class Restless(Mapping[str, object]):
        asked: list[str] = []  # noqa: RUF012 # of one test

        def __getitem__(self, name: str) -> object:
            self.asked.append(name)
            return f"{name}{len(self.asked)}"

        def __iter__(self) -> Iterator[str]:
            return iter(())

        def __len__(self) -> int:
            return 0

    context = Restless()
    result = rules().evaluate("s", context)
    assert result.key("user_id") == "user_id1"
    assert len(context.asked) == len(set(context.asked))


def test_what_interrupts_is_not_swallowed() -> None:
    class Interrupting(Raising):
        def __getitem__(self, name: str) -> object:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rules().evaluate("s", Interrupting())
