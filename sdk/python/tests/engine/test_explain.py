"""Why a service gets what it gets."""

from __future__ import annotations

import json

import pytest
from snapshots import condition, experiment, layer, stack, tree

from strata._engine import Contribution, Outcome, ParameterExplanation, Ruleset, Truth, slot
from strata._gen.strata.config.v1 import config_pb as pb
from strata._gen.strata.config.v1.config_pb import FieldType, Operator


def test_outcomes() -> None:
    at = slot("salt of free", "u")
    rule = condition("n", Operator.GT, 1)
    off = layer("off", (0, 10_000, 1), priority=9)
    off.enabled = False
    keyless = layer("keyless", (0, 10_000, 3), priority=7)
    keyless.hash_key = "device"
    ranges = [(0, at, 4)] if at else [(at + 1, 10_000, 4)]
    shared = layer("shared", (0, 5000, 5), (5000, 10_000, 6), priority=5)
    shared.salt = "salt of free"
    other = 6 if at >= 5000 else 5
    s = pb.Snapshot(
        layers=[
            *(off, layer("unasked", (0, 10_000, 2), priority=8), keyless),
            *(layer("free", *ranges, priority=6), shared),
            layer("false", (0, 10_000, 7), priority=4),
            layer("unknown", (0, 10_000, 8), priority=3),
            layer("true", (0, 10_000, 9), priority=2),
        ],
        experiments=[
            *(experiment(eid, {eid: '{"a":1}'}) for eid in (1, 2, 3, 4)),
            *(experiment(eid, {eid: "{}"}, service="t" if eid == other else "s") for eid in (5, 6)),
            experiment(7, {7: "{}"}, rule),
            experiment(8, {8: "{}"}, condition("absent", Operator.GT, 1)),
            experiment(9, {9: '{"b":2}'}, tree(Operator.NOT, rule)),
        ],
    )
    rules = Ruleset.compile(None, s)
    context = {"user_id": "u", "n": 0}
    asked = [name.layer_id for name in s.layers if name.layer_id != "unasked"]
    explained = rules.explain("s", context, asked)
    assert [(e.layer_id, e.outcome, e.detail) for e in explained.layers] == [
        ("off", Outcome.DISABLED, "the layer is disabled"),
        ("unasked", Outcome.NOT_REQUESTED, "the request names other layers"),
        ("keyless", Outcome.NO_KEY, "the context has no device"),
        ("free", Outcome.FREE_SLOT, f"slot {at} is in no range"),
        ("shared", Outcome.OTHER_SERVICE, f"slot {at} belongs to service t"),
        ("false", Outcome.RULE_FALSE, "the rule of experiment 7 is FALSE"),
        ("unknown", Outcome.RULE_UNKNOWN, "the rule of experiment 8 is UNKNOWN"),
        ("true", Outcome.MATCHED, f"slot {slot('salt of true', 'u')} is in [0, 10000)"),
    ]
    assert explained.result.vids == rules.evaluate("s", context, asked).vids == (9,)
    last = explained.layers[-1]
    assert (last.key, last.slot, last.start, last.end) == (
        "u",
        slot("salt of true", "u"),
        0,
        10_000,
    )
    assert (last.eid, last.vid, last.priority, last.hash_key) == (9, 9, 2, "user_id")
    assert explained.layers[3].slot == at
    assert explained.layers[0].slot == -1
    assert last.rule is not None
    (below,) = last.rule.children
    assert (last.rule.op, last.rule.truth, below.truth) == (Operator.NOT, Truth.TRUE, Truth.FALSE)
    assert (below.field, below.type, below.values, below.seen) == ("n", FieldType.INT, (1,), 0)


def test_no_layers_named_that_there_are() -> None:
    rules = Ruleset.compile(None, stack(["{}"]))
    assert rules.evaluate("s", {"user_id": "u"}, ["nothing"]).vids == ()
    assert rules.evaluate("s", {"user_id": "u"}, ["nothing", "l0"]).vids == (100,)
    assert rules.explain("nobody", {"user_id": "u"}).layers == ()


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (None, "null: only strings and whole numbers can be hashed"),
        (True, "true: only strings and whole numbers can be hashed"),
        ("", '"": the empty string is not hashed'),
        (0.5, "0.5: numbers with a fraction are not hashed"),
        (
            2**53,
            "9.007199254740992e+15: whole numbers beyond 2^53 - 1 are not hashed, "
            "since readers round them differently: send the id as a string",
        ),
        ([1], "a value of another type: only strings and whole numbers can be hashed"),
    ],
)
def test_why_there_is_no_key(value: object, detail: str) -> None:
    explained = Ruleset.compile(None, stack(["{}"])).explain("s", {"user_id": value})
    assert explained.layers[0].detail == f"user_id is {detail}"


def test_parameters() -> None:
    rules = Ruleset.compile(
        None,
        stack(
            ['{"a":{"x":1},"e":{},"n":null}'],
            ['{"a":5,"e":{},"n":{"m":1}}'],
            ['{"a":{"x":2,"y/~":3},"e":1}'],
        ),
    )
    of = [Contribution(f"l{i}", i + 1, 100 * (i + 1), "") for i in range(3)]

    def by(i: int, value: str) -> Contribution:
        return Contribution(of[i].layer_id, of[i].eid, of[i].vid, value)

    explained = rules.explain("s", {"user_id": "u"})
    assert explained.parameters == (
        ParameterExplanation("/a", by(0, '{"x":1}'), (by(1, "5"),)),
        ParameterExplanation("/a/x", by(0, "1"), (by(2, "2"),)),
        ParameterExplanation("/a/y~1~0", by(2, "3"), ()),
        ParameterExplanation("/e", by(0, "{}"), (by(2, "1"),)),
        ParameterExplanation("/n", by(0, "null"), (by(1, '{"m":1}'),)),
    )
    assert explained.result.parameters == '{"a":{"x":1,"y/~":3},"e":{},"n":null}'
    assert not explained.truncated


def test_paths_are_bounded() -> None:
    key = "k" * 256
    text = "{" + ",".join(f'"{i}":1' for i in range(2000)) + "}"
    for _ in range(63):
        text = json.dumps({key: 0})[:-2] + text + "}"
    explained = Ruleset.compile(None, stack([text])).explain("s", {"user_id": "u"})
    assert explained.truncated
    assert 0 < len(explained.parameters) < 2000
