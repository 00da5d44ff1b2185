"""Reading parameters."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from snapshots import experiment, layer, stack
from test_params import naive_merge, random_object

from strata._engine import Result, Ruleset, join_path, parse_path
from strata._gen.strata.config.v1 import config_pb as pb

LAYERS = [
    ['{"a":{"x":1},"k.\\\\":true,"list":[{"in":1}]}', "{}"],
    ['{"a":5,"only":{"here":{}}}'],
    ['{"a":{"y":2}}', '{"control":{"left":"out"}}'],
    ["{}"],
]


@pytest.mark.parametrize(
    ("path", "text", "winner", "exposed", "hidden", "known"),
    [
        (
            "",
            '{"a":{"x":1,"y":2},"k.\\\\":true,"list":[{"in":1}],"only":{"here":{}}}',
            *(0, (0, 2, 3), (1,), True),
        ),
        ("a", '{"x":1,"y":2}', 0, (0, 2), (1,), True),
        ("a.x", "1", 0, (0,), (1,), True),
        ("a.y", "2", 2, (2,), (1,), True),
        ("a.z", None, -1, (), (1,), False),
        ("k\\.\\\\", "true", 0, (0,), (), True),
        ("k.\\", None, -1, (), (), False),
        ("list", '[{"in":1}]', 0, (0,), (), True),
        ("list.0", None, -1, (0,), (), False),
        ("only", '{"here":{}}', 1, (), (), True),
        ("only.here", "{}", 1, (), (), True),
        ("control", None, -1, (2,), (), True),
        ("control.left", None, -1, (2,), (), True),
        ("contro", None, -1, (), (), False),
        ("unknown", None, -1, (), (), False),
    ],
)
def test_read(
    *,
    path: str,
    text: str | None,
    winner: int,
    exposed: tuple[int, ...],
    hidden: tuple[int, ...],
    known: bool,
) -> None:
    rules = Ruleset.compile(None, stack(*LAYERS))
    result = rules.evaluate("s", {"user_id": "u"})
    reading = result.read(path)
    assert (reading.path, reading.text, reading.winner) == (path, text, winner)
    assert (reading.exposed, reading.hidden) == (exposed, hidden)
    assert reading.found == (text is not None)
    assert reading.value == (None if text is None else json.loads(text))
    assert result.read(path) is reading
    assert rules.evaluate("s", {"user_id": "other"}).read(path) is reading
    assert rules.knows("s", path) == known


def test_read_of_nothing() -> None:
    rules = Ruleset.compile(None, stack(['{"a":1}']))
    result = rules.evaluate("s", {})
    assert result.parameters == "{}"
    assert (result.vids, result.matches, result.leaves()) == ((), (), [])
    whole, other = result.read(""), result.read("a")
    assert (whole.text, whole.value, whole.winner, whole.exposed, whole.hidden) == (
        "{}",
        {},
        -1,
        (),
        (),
    )
    assert (other.text, other.winner, other.exposed, other.hidden) == (None, -1, (), ())
    assert rules.knows("s", "")
    assert not rules.knows("other", "")


def test_null_is_found() -> None:
    reading = Ruleset.compile(None, stack(['{"a":null}'])).evaluate("s", {"user_id": 1}).read("a")
    assert (reading.found, reading.text, reading.value) == (True, "null", None)


def test_leaves() -> None:
    snapshot = stack(['{"b":{"c":1},"":0}', '{"b":2}'], ['{"a.b":1,"b":{"c":1,"d":{}}}'])
    leaves = Ruleset.compile(None, snapshot).evaluate("s", {"user_id": "u"}).leaves()
    assert [(r.path, r.winner, r.exposed, r.hidden) for r in leaves] == [
        ("a\\.b", 1, (1,), ()),
        ("b", 0, (0,), (1,)),
        ("b.c", 0, (0,), (1,)),
    ]


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("", []),
        ("a", ["a"]),
        ("a.b", ["a", "b"]),
        (".", ["", ""]),
        ("a.", ["a", ""]),
        ("a\\.b", ["a.b"]),
        ("a\\\\.b", ["a\\", "b"]),
        ("a\\x", ["a\\x"]),
        ("a\\", ["a\\"]),
        ("\\.\\\\", [".\\"]),
    ],
)
def test_paths(path: str, keys: list[str]) -> None:
    assert parse_path(path) == keys
    assert parse_path(join_path(keys)) == keys


def has(params: dict[str, Any], keys: list[str]) -> bool:
    """Report whether there is a value at a path, or one that is no object on the way."""
    at: Any = params
    for key in keys:
        if not isinstance(at, dict):
            return True
        if key not in at:
            return False
        at = at[key]
    return True


def leaves_of(params: dict[str, Any]) -> set[tuple[str, ...]]:
    found = set()
    for key, value in params.items():
        if isinstance(value, dict):
            found |= {(key, *below) for below in leaves_of(value)}
        else:
            found.add((key,))
    return found


def check_exposures(result: Result, experiments: list[list[dict[str, Any]]], path: str) -> None:
    """Compare with what docs/semantics.md says, word by word."""
    keys = tuple(parse_path(path))
    reading = result.read(path)
    above: dict[str, Any] = {}
    for i, variants in enumerate(experiments):
        touched = [
            leaf
            for leaf in set().union(*(leaves_of(v) for v in variants))
            if leaf[: len(keys)] == keys or keys[: len(leaf)] == leaf
        ]
        hidden = bool(touched) and all(has(above, list(leaf)) for leaf in touched)
        exposed = bool(touched) or not keys
        assert (i in reading.hidden) == hidden
        assert (i in reading.exposed) == (exposed and not hidden)
        above = naive_merge(above, variants[0])
    want: Any = above
    for key in keys:
        want = want.get(key, ...) if isinstance(want, dict) else ...
    assert reading.found == (want is not ...)
    if reading.found:
        assert json.dumps(reading.value) == json.dumps(want)


def test_exposures_agree_with_a_naive_reading() -> None:
    r = random.Random(4)
    for _ in range(400):
        experiments = [
            [random_object(r, 3) for _ in range(r.randint(1, 3))] for _ in range(r.randint(1, 5))
        ]
        rules = Ruleset.compile(
            None, stack(*([json.dumps(v) for v in variants] for variants in experiments))
        )
        result = rules.evaluate("s", {"user_id": "u"})
        assert len(result.vids) == len(experiments)
        paths = {"", "nothing", "a.nothing", *(leaf.path for leaf in result.leaves())}
        paths |= {join_path(parse_path(path)[:-1]) for path in paths}
        paths |= {path + ".b" for path in paths}
        for path in sorted(paths):
            check_exposures(result, experiments, path)


def test_knows_what_stands_in_a_layer() -> None:
    snapshot = pb.Snapshot(
        layers=[layer("l", (0, 1, 1))],
        experiments=[
            experiment(1, {1: '{"a":{"b":1}}', 2: '{"c":{}}'}),
            experiment(2, {3: '{"nowhere":1}'}),
            experiment(3, {4: '{"d":1}'}, service="t"),
        ],
    )
    rules = Ruleset.compile(None, snapshot)
    assert [p for p in ("", "a", "a.b", "c", "a.c", "nowhere", "d") if rules.knows("s", p)] == [
        *("", "a", "a.b", "c")
    ]
    assert not rules.knows("t", "")
    assert rules.services() == ["s"]
    assert rules.hash_keys() == ["user_id"]


def test_result_tells_the_key() -> None:
    rules = Ruleset.compile(None, stack(["{}"]))
    context: dict[str, object] = {"user_id": 12.0}
    result = rules.evaluate("s", context)
    context["user_id"] = "changed afterwards"
    assert result.key("user_id") == "12"
    assert result.key("other") is None
