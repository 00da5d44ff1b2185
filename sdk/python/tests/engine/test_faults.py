"""Configurations that are refused."""

from __future__ import annotations

import pytest
from snapshots import condition, experiment, layer, stack, tree, value

from strata._engine import Change, Faults, Kind, Reason, Ruleset
from strata._gen.strata.config.v1 import config_pb as pb
from strata._gen.strata.config.v1.config_pb import FieldType, Operator


def faults_of(snapshot: pb.Snapshot, previous: Ruleset | None = None) -> list[str]:
    with pytest.raises(Faults) as error:
        Ruleset.compile(previous, snapshot)
    assert str(error.value) == "\n".join(map(str, error.value.faults))
    return [f"{fault.reason.name} {fault}" for fault in error.value.faults]


def test_layers() -> None:
    bad = layer("l", (-1, 5, 1), (0, 0, 1), (9_000, 10_001, 0), (10_000, 10_001, 1))
    bad.hash_key, bad.salt, bad.service = "", "s" * 257, "\ud800"
    snapshot = pb.Snapshot(layers=[bad], experiments=[experiment(1, {1: "{}"})])
    found = faults_of(snapshot)
    assert found[:8] == [
        "INVALID_VALUE layer l: hash_key: is missing",
        "INVALID_VALUE layer l: salt: is 257 bytes long, at most 256 are allowed",
        "INVALID_VALUE layer l: service: is not valid UTF-8",
        "INVALID_VALUE layer l: ranges[0].start: is -1, want 0 to 9999",
        "INVALID_VALUE layer l: ranges[1].end: is 0, want 1 to 10000: start is included, "
        "end is not",
        "INVALID_VALUE layer l: ranges[2].end: is 10001, want 9001 to 10000: start is included, "
        "end is not",
        "INVALID_VALUE layer l: ranges[2].vid: is 0, want at least 1",
        "INVALID_VALUE layer l: ranges[3].start: is 10000, want 0 to 9999",
    ]


def test_overlaps() -> None:
    vids = {1: "{}"}
    for ranges in (
        [(5, 9, 1), (0, 6, 1)],
        [(0, 10, 1), (2, 3, 1)],
        [(0, 10, 1), (1, 2, 1), (8, 9, 1)],
    ):
        snapshot = pb.Snapshot(layers=[layer("l", *ranges)], experiments=[experiment(1, vids)])
        assert {f.split()[0] for f in faults_of(snapshot)} == {"RANGES_OVERLAP"}
        assert len(faults_of(snapshot)) == len(ranges) - 1
    whole = layer("l", *((i, i + 1, 1) for i in range(10_000)))
    snapshot = pb.Snapshot(layers=[whole], experiments=[experiment(1, vids)])
    assert Ruleset.compile(None, snapshot).layers == 1
    whole.ranges.append(pb.Range(start=0, end=1, vid=1))
    assert faults_of(snapshot) == [
        "INVALID_VALUE layer l: ranges: are 10001, at most 10000 are allowed"
    ]


def test_ids_and_homes() -> None:
    snapshot = pb.Snapshot(
        layers=[
            *(layer("a", (0, 1, 1)), layer("b", (0, 1, 2), (1, 2, 99)), layer("a", (0, 1, 1))),
            *(layer("", (0, 1, 3)), layer("c", (0, 1, 3))),
        ],
        experiments=[
            *(
                experiment(1, {1: "{}", 2: "{}"}),
                experiment(2, {2: "{}"}),
                experiment(1, {5: "{}"}),
            ),
            *(
                experiment(3, {3: "{}"}, service="t"),
                experiment(0, {0: "{}"}),
                pb.Experiment(eid=9),
            ),
        ],
        fields=[
            pb.Field(name="f", type=FieldType.INT),
            pb.Field(name="f", type=FieldType.INT),
            pb.Field(name="g"),
            pb.Field(type=FieldType(77)),
        ],
    )
    snapshot.layers[4].service = "s"
    assert faults_of(snapshot) == [
        "ID_TAKEN layer a: stands twice: the id must be unique",
        "ID_TAKEN experiment 1: stands twice: the id must be unique",
        "ID_TAKEN field f: stands twice: the id must be unique",
        "INVALID_VALUE field g: type: is unknown, want string, int, float, bool or semver",
        "INVALID_VALUE field at index 3: name: is missing",
        "INVALID_VALUE field at index 3: type: is unknown, want string, int, float, bool or semver",
        "INVALID_VALUE experiment at index 4: eid: is 0, want at least 1",
        "INVALID_VALUE experiment at index 4: variants[0].vid: is 0, want at least 1",
        "INVALID_VALUE experiment 9: service: is missing",
        "INVALID_VALUE experiment 9: variants: are missing: want at least one",
        "ID_TAKEN experiment 2: variants[0].vid: 2 is taken by experiment 1",
        "INVALID_VALUE layer at index 3: layer_id: is missing",
        "IN_TWO_LAYERS layer b: ranges[0].vid: 2 belongs to experiment 1, which lives in layer a "
        "already",
        "UNKNOWN_VARIANT layer b: ranges[1].vid: 99 is no variant of any experiment",
        "WRONG_SERVICE layer c: ranges[0].vid: 3 belongs to service t, and the layer to service s",
    ]


def rule_faults(rule: pb.Rule, typ: FieldType | None = None) -> list[str]:
    fields = [] if typ is None else [pb.Field(name="f", type=typ)]
    found = faults_of(pb.Snapshot(experiments=[experiment(1, {1: "{}"}, rule)], fields=fields))
    prefix = "INVALID_RULE experiment 1: "
    assert all(fault.startswith(prefix) for fault in found)
    return [fault.removeprefix(prefix) for fault in found]


LEAF = condition("f", Operator.EQ, "x")


@pytest.mark.parametrize(
    ("rule", "typ", "want"),
    [
        (pb.Rule(), None, "rule: has an unknown operator"),
        (pb.Rule(op=Operator(99)), None, "rule: has an unknown operator"),
        (tree(Operator.AND), None, "rule: is and and has no children, want at least one"),
        (tree(Operator.NOT), None, "rule: is not and has 0 children, want exactly one"),
        (
            tree(Operator.OR, LEAF, pb.Rule(op=Operator.EQ, field="f")),
            None,
            "rule.children[1].values: are missing",
        ),
        (
            tree(Operator.NOT, pb.Rule(op=Operator.EQ, values=[value("x")])),
            None,
            "rule.child.field: is missing",
        ),
        (
            pb.Rule(op=Operator.AND, children=[LEAF], field="f"),
            None,
            "rule: is and and can have no field and no values",
        ),
        (
            pb.Rule(op=Operator.EQ, children=[LEAF], field="f", values=[value("x")]),
            None,
            "rule: is a condition and can have no children",
        ),
        (condition("f", Operator.LT, 1, 2), None, "rule.values: are 2, lt takes exactly one"),
        (
            condition("f", Operator.IN, *range(10_001)),
            None,
            "rule.values: are 10001, at most 10000 are allowed",
        ),
        (
            condition("f", Operator.IN, 1, "x"),
            None,
            "rule.values: are of different types, and the field is not declared",
        ),
        (
            pb.Rule(op=Operator.EQ, field="f", values=[pb.Value()]),
            None,
            "rule.values: are of different types, and the field is not declared",
        ),
        (
            pb.Rule(op=Operator.EQ, field="f", values=[pb.Value()]),
            FieldType.STRING,
            "rule.values[0]: is null, which is no string",
        ),
        (
            condition("f", Operator.LT, True),
            None,
            "rule.op: is lt, which a bool field can not be compared by",
        ),
        (
            condition("f", Operator.NOT_LIKE, 1),
            None,
            "rule.op: is not_like, which a int field can not be compared by",
        ),
        (
            condition("f", Operator.EQ, "x"),
            FieldType.INT,
            'rule.values[0]: is "x", which is no int',
        ),
        (
            condition("f", Operator.EQ, 1.5),
            FieldType.INT,
            "rule.values[0]: is 1.5, which is no int",
        ),
        (
            condition("f", Operator.EQ, float("inf")),
            FieldType.FLOAT,
            "rule.values[0]: is null, which is no float",
        ),
        (condition("f", Operator.EQ, 1), FieldType.BOOL, "rule.values[0]: is 1, which is no bool"),
        (
            condition("f", Operator.EQ, True),
            FieldType.STRING,
            "rule.values[0]: is true, which is no string",
        ),
        (
            condition("f", Operator.IN, "1.0", "x" * 50),
            FieldType.SEMVER,
            'rule.values[1]: is "' + "x" * 39 + "..., which is no semver",
        ),
        (
            condition("f", Operator.EQ, "é" * 2049),
            None,
            "rule.values[0]: is 4098 bytes long, at most 4096 are allowed",
        ),
    ],
)
def test_rules(rule: pb.Rule, typ: FieldType | None, want: str) -> None:
    assert rule_faults(rule, typ) == [want]


def test_rule_limits() -> None:
    rule = LEAF
    for _ in range(80):
        rule = tree(Operator.NOT, rule)
    assert rule_faults(rule) == ["rule" + ".child" * 80 + ": is nested deeper than 80 levels"]
    for _ in range(5_000):  # one level is enough to refuse it
        rule = tree(Operator.NOT, rule)
    assert len(rule_faults(rule)) == 1
    assert rule_faults(tree(Operator.AND, *[LEAF] * 10_000)) == ["rule: has more than 10000 nodes"]


def test_variants() -> None:
    many = experiment(1, dict.fromkeys(range(1, 10_002), "{}"))
    assert faults_of(pb.Snapshot(experiments=[many])) == [
        "INVALID_VALUE experiment 1: variants: are 10001, at most 10000 are allowed"
    ]


def test_only_the_first_thousand_faults_are_listed() -> None:
    bad = experiment(1, dict.fromkeys(range(1, 3_000), '{"a":1e999,"b":['))
    found = faults_of(pb.Snapshot(experiments=[bad]))
    assert len(found) == 1001
    assert found[-1].endswith("only the first 1000 are")
    many = '{"a":[' + ",".join(["1e999"] * 5_000) + "]}"
    assert len(faults_of(pb.Snapshot(experiments=[experiment(1, {1: many})]))) == 1000


def test_places_are_those_of_the_snapshot() -> None:
    good = stack(["{}"], ["{}"], ["{}"])
    rules = Ruleset.compile(None, good)
    bad = stack(["{}"], ["{}"], ['{"a":1e999}'])
    bad.layers[1].salt = ""
    with pytest.raises(Faults) as error:
        Ruleset.compile(rules, bad)
    assert [(f.kind, f.index, f.reason) for f in error.value.faults] == [
        (Kind.EXPERIMENT, 2, Reason.INVALID_PARAMS),
        (Kind.LAYER, 1, Reason.INVALID_VALUE),
    ]
    # A layer that did not change itself.
    bad = stack(["{}"], ["{}"], ["{}"])
    del bad.experiments[2]
    with pytest.raises(Faults) as error:
        Ruleset.compile(rules, bad)
    (fault,) = error.value.faults
    assert (fault.kind, fault.id, fault.index) == (Kind.LAYER, "l2", 2)
    with pytest.raises(Faults) as error:
        rules.apply(Change(revision=2, deleted_experiments=(3,)))
    (fault,) = error.value.faults
    assert (fault.id, fault.index, fault.reason) == ("l2", -1, Reason.UNKNOWN_VARIANT)


def test_a_refused_change_changes_nothing() -> None:
    rules = Ruleset.compile(None, stack(['{"a":1}']))
    with pytest.raises(Faults):
        rules.apply(Change(2, layers=(layer("l0"), layer("l0")), deleted_experiments=(1,)))
    assert rules.evaluate("s", {"user_id": "u"}).parameters == '{"a":1}'
    assert (rules.revision, rules.layers, rules.experiments) == (0, 1, 1)


def test_numbers_that_are_none_are_faults() -> None:
    nan = condition("f", Operator.EQ, float("nan"))
    assert rule_faults(nan) == ["rule.values[0]: is null, which is no float"]
