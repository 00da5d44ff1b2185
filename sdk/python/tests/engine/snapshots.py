"""Configurations for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from protobuf import Oneof

from strata._engine import Ruleset
from strata._gen.strata.config.v1 import config_pb as pb
from strata._gen.strata.config.v1.config_pb import Operator


def value(v: str | float | bool) -> pb.Value:
    if isinstance(v, bool):
        return pb.Value(kind=Oneof[Literal["bool_value"], bool]("bool_value", v))
    if isinstance(v, str):
        return pb.Value(kind=Oneof[Literal["string_value"], str]("string_value", v))
    return pb.Value(kind=Oneof[Literal["number_value"], float]("number_value", float(v)))


def condition(field: str, op: Operator, *values: str | float | bool) -> pb.Rule:
    return pb.Rule(op=op, field=field, values=[value(v) for v in values])


def tree(op: Operator, *children: pb.Rule) -> pb.Rule:
    return pb.Rule(op=op, children=list(children))


def layer(layer_id: str, *ranges: tuple[int, int, int], priority: int = 0) -> pb.Layer:
    return pb.Layer(
        layer_id=layer_id,
        priority=priority,
        hash_key="user_id",
        salt=f"salt of {layer_id}",
        enabled=True,
        ranges=[pb.Range(start=start, end=end, vid=vid) for start, end, vid in ranges],
    )


def experiment(
    eid: int, params: dict[int, str], rule: pb.Rule | None = None, service: str = "s"
) -> pb.Experiment:
    variants = [pb.Variant(vid=vid, params_json=text) for vid, text in params.items()]
    return pb.Experiment(eid=eid, service=service, rule=rule, variants=variants)


def stack(*experiments: Sequence[str]) -> pb.Snapshot:
    """Return layers of falling priority that everybody is in.

    Layer i has experiment i + 1, of which the user gets the first variant.
    """
    snapshot = pb.Snapshot()
    for i, variants in enumerate(experiments):
        params = {100 * (i + 1) + j: text for j, text in enumerate(variants)}
        snapshot.experiments.append(experiment(i + 1, params))
        snapshot.layers.append(layer(f"l{i}", (0, 10_000, 100 * (i + 1)), priority=-i))
    return snapshot


def ruled(rule: pb.Rule, **fields: pb.FieldType) -> Ruleset:
    """Return one layer with one experiment under a rule."""
    return Ruleset.compile(
        None,
        pb.Snapshot(
            layers=[layer("l", (0, 10_000, 1))],
            experiments=[experiment(1, {1: "{}"}, rule)],
            fields=[pb.Field(name=name, type=typ) for name, typ in fields.items()],
        ),
    )


def truth(rules: Ruleset, context: dict[str, object]) -> str:
    """Return what the rule comes to, and check that evaluations agree."""
    context = {"user_id": "u", **context}
    explained = rules.explain("s", context).layers[0].rule
    assert explained is not None
    matched = rules.evaluate("s", context).vids == (1,)
    assert matched == (explained.truth.name == "TRUE")
    return explained.truth.name
