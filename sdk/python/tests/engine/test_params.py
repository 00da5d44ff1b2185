"""Parameters, and the normal form of JSON text."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from snapshots import experiment, layer, stack

from strata._engine import Faults, Reason, Ruleset
from strata._engine.number import number_text
from strata._engine.params import ParamsError, parse_params
from strata._gen.strata.config.v1 import config_pb as pb


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ParamsError) as error:
        parse_params(text)
    return [(fault.path, fault.problem) for fault in error.value.faults]


@pytest.mark.parametrize(
    ("written", "served"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("12.0", "12"),
        ("1.2e1", "12"),
        ("1E2", "100"),
        ("0.5", "0.5"),
        ("1e-5", "0.00001"),
        ("0.000001", "0.000001"),
        ("1.5e-6", "0.0000015"),
        ("9.9e-7", "9.9e-7"),
        ("1e-7", "1e-7"),
        ("-1.25e-10", "-1.25e-10"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740992.0", "9.007199254740992e+15"),
        ("9007199254740993e0", "9.007199254740992e+15"),
        ("1e16", "1e+16"),
        ("1e21", "1e+21"),
        ("1e300", "1e+300"),
        ("-1.7976931348623157e308", "-1.7976931348623157e+308"),
        ("5e-324", "5e-324"),
        ("1e-400", "0"),
        ("4503599627370495.5", "4503599627370495.5"),
        ("123456.789", "123456.789"),
        ('"\\u0041\\/\\b\\f\\n\\r\\t\\"\\\\\\u001f"', '"A/\\u0008\\u000c\\n\\r\\t\\"\\\\\\u001f"'),
        ('"\\ud83d\\ude00\\u2028\\u007f"', '"\U0001f600\u2028\x7f"'),
        ("[ 1 , [ ] , { } , null , true , false ]", "[1,[],{},null,true,false]"),
    ],
)
def test_normal_form(written: str, served: str) -> None:
    params = parse_params(f' {{ "b" : {written} , "a" : {{ "c" : {written} }} }} ')
    assert params.json() == f'{{"b":{served},"a":{{"c":{served}}}}}'
    child = params.members["a"].child
    assert child is not None
    assert child.json() == f'{{"c":{served}}}'
    assert parse_params(params.json()).json() == params.json()


def test_numbers_are_the_shortest_text_of_the_same_double() -> None:
    r = random.Random(1)
    for _ in range(20_000):
        number = r.choice([r.random(), r.gauss(0, 1), 1.0]) * 10.0 ** r.randint(-310, 300)
        text = number_text(number)
        assert float(text) == number
        assert len(text.replace("+", "")) <= max(len(repr(number)), 8 + len(repr(abs(number))))
        assert ("e" in text) == (number != 0 and not 1e-6 <= abs(number) <= 2**53 - 1)


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("", "", "not valid JSON at byte 0: the text ends too early: want an object"),
        ("[]", "", "want an object, got a list"),
        ("null", "", "want an object, got null"),
        ("-", "", "want an object, got a number"),
        ("x", "", "not valid JSON at byte 0: want an object"),
        ("{", "", "not valid JSON at byte 1: the text ends too early: want }"),
        ("{}x", "", "not valid JSON at byte 2: text after the end of the value"),
        ('{"é":x}', "", "not valid JSON at byte 6: want a value"),
        ('{"a" 1}', "", "not valid JSON at byte 5: want a colon after the key"),
        ("{a:1}", "", "not valid JSON at byte 1: want a key in double quotes"),
        ('{"a":1,}', "", "not valid JSON at byte 7: a comma before }"),
        ('{"a":[1,]}', "", "not valid JSON at byte 8: a comma before ]"),
        ('{"a":1 "b":2}', "", "not valid JSON at byte 7: want a comma or }"),
        ('{"a":nul}', "", "not valid JSON at byte 5: want null"),
        ('{"a":NaN}', "", "not valid JSON at byte 5: want a value"),
        ('{"a":01}', "", "not valid JSON at byte 6: a number with a leading zero"),
        ('{"a":1.}', "", "not valid JSON at byte 7: want a digit"),
        ('{"a":1e+}', "", "not valid JSON at byte 8: want a digit"),
        ('{"a":-x}', "", "not valid JSON at byte 6: want a digit"),
        (
            '{"a":"\t"}',
            "",
            "not valid JSON at byte 6: a control character in a string must be escaped",
        ),
        ('{"a":"\\x"}', "", "not valid JSON at byte 6: an unknown escape"),
        ('{"a":"\\u12"}', "", "not valid JSON at byte 6: want four hexadecimal digits after \\u"),
        ('{"a":"\\ud800"}', "", "not valid JSON at byte 6: half of a surrogate pair"),
        ('{"a":"\\udc00\\ud800"}', "", "not valid JSON at byte 6: half of a surrogate pair"),
        ('{"a":"\ud800"}', "", "not valid JSON at byte 6: a string that is not valid UTF-8"),
        ('{"a":{"b":[0,1e999]}}', "a.b[1]", "1e999 is larger than a double can be"),
        ('{"a":1,"a":2}', "a", "stands twice"),
        ('{"a":1,"\\u0061":2}', "a", "stands twice"),
        (
            '{"a":9007199254740992}',
            "a",
            "9007199254740992 is an integer beyond 2^53 - 1, which readers round differently: "
            "write it as a string",
        ),
    ],
)
def test_faults(text: str, path: str, problem: str) -> None:
    assert problems(text) == [(path, problem)]


def test_all_faults_are_listed() -> None:
    found = problems('{"a":1e999,"b":{"c":[9007199254740993]},"a":0}')
    assert [path for path, _ in found] == ["a", "b.c[0]", "a"]


def nested(depth: int, opening: str = '{"k":', closing: str = "}") -> str:
    return '{"k":' + opening * (depth - 1) + "1" + closing * (depth - 1) + "}"


@pytest.mark.parametrize(("opening", "closing"), [('{"k":', "}"), ("[", "]")])
def test_depth(opening: str, closing: str) -> None:
    assert parse_params(nested(64, opening, closing)).json() == nested(64, opening, closing)
    for depth in (65, 200):
        ((_, problem),) = problems(nested(depth, opening, closing))
        assert problem == "is nested deeper than 64 levels"
    for depth in (201, 100_000):
        assert "nested deeper than 200 levels" in problems(nested(depth, opening, closing))[0][1]
    broken = nested(100, opening, closing).replace("1", "tru")
    assert "want true" in problems(broken)[0][1]


def test_sizes() -> None:
    assert parse_params(json.dumps({"k" * 256: 1})).members
    assert problems(json.dumps({"é" * 129: 1}, ensure_ascii=False)) == [
        ("é" * 20 + "...", "has a key of 258 bytes, at most 256 are allowed")
    ]
    frame = len('{"k":""}')
    assert parse_params('{"k":"' + "x" * (2**20 - frame) + '"}').members
    snapshot = pb.Snapshot(
        experiments=[experiment(1, {1: '{"k":"' + "x" * (2**20 - frame + 1) + '"}'})]
    )
    with pytest.raises(Faults) as error:
        Ruleset.compile(None, snapshot)
    (fault,) = error.value.faults
    assert fault.reason == Reason.PARAMS_TOO_LARGE
    assert fault.path == "variants[0].params"


def random_object(r: random.Random, depth: int) -> dict[str, Any]:
    return {
        r.choice(["a", "b", "c", "é", 'q"', "\n", ""]): random_object(r, depth - 1)
        if depth > 1 and r.random() < 0.5
        else r.choice([None, True, 0, 0.25, 1e300, "x", "\u2028", [], [{"in": 1}], {}])
        for _ in range(r.randint(0, 4))
    }


def naive_merge(above: dict[str, Any], below: dict[str, Any]) -> dict[str, Any]:
    merged = dict(above)
    for key, value in below.items():
        if key not in merged:
            merged[key] = value
        elif isinstance(merged[key], dict) and isinstance(value, dict):
            merged[key] = naive_merge(merged[key], value)
    return merged


def test_merge_agrees_with_a_naive_one() -> None:
    r = random.Random(2)
    for _ in range(500):
        objects = [random_object(r, 4) for _ in range(r.randint(1, 6))]
        want: dict[str, Any] = {}
        for o in objects:
            want = naive_merge(want, o)
        rules = Ruleset.compile(None, stack(*([json.dumps(o)] for o in objects)))
        got = rules.evaluate("s", {"user_id": "u"})
        # The order of keys is part of the normal form.
        assert json.dumps(json.loads(got.parameters)) == json.dumps(want)
        assert rules.explain("s", {"user_id": "u"}).result.parameters == got.parameters


def test_deep_parameters_merge_from_deep_down_the_stack() -> None:
    a = nested(64)
    rules = Ruleset.compile(None, stack([a], [a.replace("1", "2")[:-1] + ',"z":1}']))
    assert rules.layers == 2

    def down(levels: int) -> str:
        if levels:
            return down(levels - 1)
        result = rules.evaluate("s", {"user_id": "u"})
        assert result.read("k.k.k").found
        return result.parameters

    assert down(800) == a[:-1] + ',"z":1}'


def test_permuted_snapshots_answer_alike() -> None:
    r = random.Random(3)
    snapshot = stack(*([json.dumps(random_object(r, 3))] for _ in range(8)))
    snapshot.layers[3].priority = snapshot.layers[4].priority
    snapshot.layers.append(layer("other", (0, 5000, 100), priority=50))
    snapshot.experiments[0].variants[0].vid = 7
    snapshot.experiments.append(experiment(50, {100: '{"a":"first"}'}))
    snapshot.layers[0].ranges[0].vid = 7
    want = Ruleset.compile(None, snapshot)
    contexts: list[dict[str, object]] = [{"user_id": f"u{i}"} for i in range(40)]
    for _ in range(5):
        r.shuffle(snapshot.layers)
        r.shuffle(snapshot.experiments)
        got = Ruleset.compile(None, snapshot)
        for context in contexts:
            a, b = want.evaluate("s", context), got.evaluate("s", context)
            assert (a.parameters, a.vids, a.matched_layers) == (
                b.parameters,
                b.vids,
                b.matched_layers,
            )
