"""Rules."""

from __future__ import annotations

import random
from itertools import product

import pytest
from snapshots import condition, ruled, tree, truth

from strata._engine.like import Pattern
from strata._engine.semver import parse_version
from strata._gen.strata.config.v1 import config_pb as pb
from strata._gen.strata.config.v1.config_pb import FieldType, Operator

TRUE = condition("t", Operator.EQ, "yes")
FALSE = condition("t", Operator.EQ, "no")
UNKNOWN = condition("absent", Operator.EQ, "x")
LEAVES = {"TRUE": TRUE, "FALSE": FALSE, "UNKNOWN": UNKNOWN}
CONTEXT: dict[str, object] = {"t": "yes"}


def naive(op: Operator, truths: list[str]) -> str:
    if op == Operator.NOT:
        return {"TRUE": "FALSE", "FALSE": "TRUE", "UNKNOWN": "UNKNOWN"}[truths[0]]
    decisive, other = ("FALSE", "TRUE") if op == Operator.AND else ("TRUE", "FALSE")
    if decisive in truths:
        return decisive
    return "UNKNOWN" if "UNKNOWN" in truths else other


@pytest.mark.parametrize("op", [Operator.AND, Operator.OR])
def test_logic_is_kleenes_in_any_order(op: Operator) -> None:
    for n in (1, 2, 3):
        for truths in product(LEAVES, repeat=n):
            rules = ruled(tree(op, *(LEAVES[name] for name in truths)))
            assert truth(rules, CONTEXT) == naive(op, list(truths))


def random_rule(r: random.Random, depth: int) -> tuple[pb.Rule, str]:
    if depth == 1 or r.random() < 0.2:
        name = r.choice(list(LEAVES))
        return LEAVES[name], name
    op = r.choice([Operator.AND, Operator.OR, Operator.NOT])
    parts = [random_rule(r, depth - 1) for _ in range(1 if op == Operator.NOT else r.randint(1, 4))]
    return tree(op, *(rule for rule, _ in parts)), naive(op, [name for _, name in parts])


def test_random_rules_agree_with_a_naive_evaluation() -> None:
    r = random.Random(1)
    for _ in range(300):
        rule, want = random_rule(r, 6)
        assert truth(ruled(rule), CONTEXT) == want


def test_the_deepest_rule() -> None:
    rule = TRUE
    for i in range(79):
        rule = tree(Operator.NOT, rule) if i % 2 == 0 else tree(Operator.AND, rule, TRUE)
    # It passes a parser that stops at 100 levels.
    rules = ruled(pb.Rule.from_binary(rule.to_binary()))
    assert truth(rules, CONTEXT) == "TRUE"


def test_a_wide_rule_takes_one_test_for_each_condition() -> None:
    leaves = [condition("n", Operator.EQ, i) for i in range(4000)]
    rules = ruled(tree(Operator.NOT, tree(Operator.OR, *leaves)))
    assert rules.evaluate("s", {"user_id": "u", "n": -1}).vids == (1,)
    assert rules.evaluate("s", {"user_id": "u", "n": 3999}).vids == ()
    assert rules.evaluate("s", {"user_id": "u"}).vids == ()


S, INT, F, B, V = list(FieldType)[1:]


@pytest.mark.parametrize(
    ("typ", "op", "values", "seen", "want"),
    [
        (S, "EQ", ["x"], "x", "TRUE"),
        (S, "EQ", ["1"], 1, "UNKNOWN"),
        (S, "NEQ", ["1"], 1, "UNKNOWN"),
        (S, "IN", ["a", "b"], "b", "TRUE"),
        (S, "IN", ["a", "b"], ["b"], "UNKNOWN"),
        (S, "NOT_IN", ["a", "b"], "c", "TRUE"),
        (S, "NOT_IN", ["a", "b"], True, "UNKNOWN"),
        (S, "LT", ["\uffff"], "\U0001f600", "FALSE"),  # by code point, not by UTF-16
        (S, "GT", ["\uffff"], "\U0001f600", "TRUE"),
        (S, "EQ", ["\ufffd"], "\ud800", "TRUE"),
        (S, "LIKE", ["a*c"], "a\nc", "TRUE"),
        (S, "NOT_LIKE", ["a*c"], "ac", "FALSE"),
        (S, "NOT_LIKE", ["a*c"], None, "UNKNOWN"),
        (INT, "EQ", [12], 12, "TRUE"),
        (INT, "EQ", [12], 12.0, "TRUE"),
        (INT, "EQ", [1], True, "UNKNOWN"),
        (INT, "EQ", [0], False, "UNKNOWN"),
        (INT, "IN", [1, 0], True, "UNKNOWN"),
        (INT, "NOT_IN", [1], 2**53 - 1, "TRUE"),
        (INT, "LT", [1], 0.5, "UNKNOWN"),
        (INT, "GT", [1], 2**53, "UNKNOWN"),
        (F, "GT", [1], 2**53, "TRUE"),
        (F, "EQ", [2**53], 2**53 + 1, "TRUE"),  # rounded to a double
        (F, "GT", [0.5], 10**400, "UNKNOWN"),
        (F, "LT", [0.5], float("-inf"), "UNKNOWN"),
        (F, "NEQ", [0.5], float("nan"), "UNKNOWN"),
        (F, "EQ", [1], True, "UNKNOWN"),
        (F, "IN", [0.5, 1], 1.0, "TRUE"),
        (F, "EQ", [0], -0.0, "TRUE"),
        (B, "EQ", [True], True, "TRUE"),
        (B, "EQ", [True], 1, "UNKNOWN"),
        (B, "NEQ", [True], False, "TRUE"),
        (B, "IN", [True, False], False, "TRUE"),
        (B, "NOT_IN", [True], False, "TRUE"),
        (V, "EQ", ["1.2.0"], "v1.2+build", "TRUE"),
        (V, "LT", ["1.2.3"], "1.2.3-beta.11", "TRUE"),
        (V, "GT", ["1.2.3-beta.2"], "1.2.3-beta.11", "TRUE"),
        (V, "GT", ["1.0.0"], "1" * 5000 + ".0", "TRUE"),
        (V, "IN", ["1.0.0", "2"], "2.0.0", "TRUE"),
        (V, "NOT_IN", ["1.0.0"], "2.x", "UNKNOWN"),
        (V, "EQ", ["1.0.0"], 1, "UNKNOWN"),
    ],
)
def test_conditions(
    typ: FieldType, op: str, values: list[str | float | bool], seen: object, want: str
) -> None:
    rule = condition("f", Operator[op], *values)
    assert truth(ruled(rule, f=typ), {"f": seen}) == want
    opposite = {"TRUE": "FALSE", "FALSE": "TRUE", "UNKNOWN": "UNKNOWN"}[want]
    assert truth(ruled(tree(Operator.NOT, rule), f=typ), {"f": seen}) == opposite


ORDERED: list[tuple[FieldType, list[str | float]]] = [
    (S, ["a", "b", "c"]),
    (INT, [-1, 0, 1]),
    (F, [0.25, 0.5, 1]),
    (V, ["1.0.0-a", "1", "1.0.1"]),
]


@pytest.mark.parametrize(("typ", "values"), ORDERED)
def test_orders(typ: FieldType, values: list[str | float]) -> None:
    holds = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "EQ": "=", "NEQ": "<>"}
    for op, outcomes in holds.items():
        rule = condition("f", Operator[op], values[1])
        for seen, outcome in zip(values, "<=>", strict=True):
            want = "TRUE" if outcome in outcomes else "FALSE"
            assert truth(ruled(rule, f=typ), {"f": seen}) == want
            opposite = "FALSE" if want == "TRUE" else "TRUE"
            assert truth(ruled(tree(Operator.NOT, rule), f=typ), {"f": seen}) == opposite


@pytest.mark.parametrize(
    ("values", "typ"),
    [
        (["1.0.0"], FieldType.STRING),
        ([True], FieldType.BOOL),
        ([1, 2.0], FieldType.INT),
        ([1, 2.5], FieldType.FLOAT),
        ([2.5, 1], FieldType.FLOAT),
    ],
)
def test_undeclared_fields_take_the_type_of_the_values(
    values: list[str | float | bool], typ: FieldType
) -> None:
    explained = ruled(condition("f", Operator.IN, *values)).explain("s", {"user_id": "u"})
    rule = explained.layers[0].rule
    assert rule is not None
    assert rule.type == typ


PRERELEASES = ["alpha", "alpha.1", "alpha.beta", "beta", "beta.2", "beta.11", "rc.1"]


def test_versions_are_ordered_by_precedence() -> None:
    texts = [f"1.0.0-{p}" for p in PRERELEASES]
    texts += ["1.0.0", "1.0.1", "1.1", "2"]
    versions = [parse_version(text) for text in texts]
    assert None not in versions
    assert versions == sorted(versions)  # type: ignore[type-var]
    assert parse_version("1.2-beta") == parse_version("v1.2.0-beta+x.01")


@pytest.mark.parametrize(
    "text",
    [
        *("", "v", "vv1", "V1", "1.", ".1", "1 ", "1\n", "1.2.3.4", "01", "1.02"),
        *("1-", "1-a..b", "1-01", "1+", "1+é", "1-٣", "٣"),
    ],
)
def test_no_versions(text: str) -> None:
    assert parse_version(text) is None


def naive_like(pattern: str, text: str) -> bool:
    if pattern == "":
        return text == ""
    if pattern[0] == "*":
        return any(naive_like(pattern[1:], text[i:]) for i in range(len(text) + 1))
    if pattern[0] == "\\" and pattern[1:2] in ("*", "\\") and len(pattern) > 1:
        return text[:1] == pattern[1] and naive_like(pattern[2:], text[1:])
    return text[:1] == pattern[0] and naive_like(pattern[1:], text[1:])


def test_patterns_agree_with_naive_matching() -> None:
    r = random.Random(1)
    for _ in range(20_000):
        pattern = "".join(r.choices("ab*\\\n", k=r.randint(0, 6)))
        text = "".join(r.choices("ab*\\\n", k=r.randint(0, 6)))
        assert Pattern(pattern).match(text) == naive_like(pattern, text), (pattern, text)


def test_no_pattern_is_slow() -> None:
    # By trying all places, this one would end long after the sun.
    assert not Pattern("*a" * 500 + "b").match("a" * 100_000)
