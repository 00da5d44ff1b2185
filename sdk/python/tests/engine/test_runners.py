"""The programs that compare the engine with others."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from snapshots import condition, experiment, layer, stack

from strata._engine import slot
from strata._gen.strata.config.v1 import config_pb as pb
from strata._gen.strata.config.v1.config_pb import Operator

SDK = Path(__file__).parents[2]


def encoded(snapshot: pb.Snapshot) -> str:
    return base64.b64encode(snapshot.to_binary()).decode()


RULED = pb.Snapshot(
    layers=[layer("l", (0, 10_000, 1))],
    experiments=[experiment(1, {1: "{}"}, condition("f", Operator.EQ, 1))],
)
STACK = stack(['{"a":1}'], ['{"a":2,"b":1e300}'])

SUITE: dict[str, list[dict[str, Any]]] = {
    "hashes": [{"name": "hash", "input": "a", "hash": "d24ec4f1a98c6e5b"}],
    "slots": [{"name": "slot", "salt": "click_exp_2024", "key": "user_12345", "slot": 7622}],
    "keys": [{"name": "key", "value": 1.5}, {"name": "other key", "value": 12, "key": "12"}],
    "rules": [
        {
            "name": "rule",
            "snapshot": encoded(RULED),
            "context": {"user_id": "u"},
            "truth": "TRUTH_UNKNOWN",
        }
    ],
    "cases": [
        {
            "name": "case",
            "snapshot": encoded(STACK),
            "request": {"services": ["s", "t"], "context": {"user_id": "u"}, "layers": []},
            "results": {
                "s": {
                    "parameters": {"a": 1.0, "b": 1e300},
                    "vids": [100, 200],
                    "matched_layers": ["l0", "l1"],
                }
            },
        }
    ],
    "reads": [
        {
            "name": "read",
            "snapshot": encoded(STACK),
            "service": "s",
            "context": {"user_id": "u"},
            "path": "a",
            "value": 1,
            "known": True,
            "winner": "l0",
            "exposures": [
                {
                    "layer_id": f"l{i}",
                    "eid": i + 1,
                    "vid": 100 * (i + 1),
                    "slot": slot(f"salt of l{i}", "u"),
                    "hidden": i == 1,
                }
                for i in range(2)
            ],
        }
    ],
}


def conformance(file: Path, suite: object) -> subprocess.CompletedProcess[str]:
    file.write_text(json.dumps(suite), encoding="utf-8")
    command = [sys.executable, str(SDK / "conformance.py"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_conformance_passes(tmp_path: Path) -> None:
    got = conformance(tmp_path / "suite.json", SUITE)
    assert (got.returncode, got.stdout, got.stderr) == (0, "python: 7 passed, 0 failed\n", "")


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("hashes", 0, "hash"), "0" * 16),
        (("slots", 0, "slot"), 7623),
        (("keys", 0, "key"), "1.5"),
        (("rules", 0, "truth"), "TRUTH_FALSE"),
        (("cases", 0, "results", "s", "parameters"), {"a": 1}),
        (("cases", 0, "results", "s", "vids"), [100]),
        (("cases", 0, "results", "u"), {}),
        (("reads", 0, "value"), True),
        (("reads", 0, "known"), False),
        (("reads", 0, "winner"), "l1"),
        (("reads", 0, "exposures"), []),
    ],
)
def test_conformance_finds_what_is_wrong(
    tmp_path: Path, path: tuple[Any, ...], wrong: object
) -> None:
    suite = json.loads(json.dumps(SUITE))
    at = suite
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = wrong
    got = conformance(tmp_path / "suite.json", suite)
    assert (got.returncode, got.stdout) == (1, "python: 6 passed, 1 failed\n")
    assert got.stderr.startswith("python: " + suite[path[0]][path[1]]["name"] + ": ")


@pytest.mark.parametrize(
    "suite",
    [{"guesses": []}, {"slots": [{"name": "x", "other": 1}]}, [], {"slots": 1}, {"slots": [1]}],
)
def test_conformance_does_not_guess(tmp_path: Path, suite: object) -> None:
    assert conformance(tmp_path / "suite.json", suite).returncode == 2


def test_parity() -> None:
    request = {
        "service": "s",
        "context": {"user_id": "u"},
        "layers": ["l0", "l1"],
        "paths": ["a", "b", "c"],
    }
    broken = pb.Snapshot(layers=[pb.Layer()])
    lines = [
        {"snapshot": encoded(STACK), "requests": [request, {"service": "t", "context": {}}]},
        {"snapshot": encoded(broken), "requests": []},
        {
            "snapshot": encoded(stack(['{"c":null}'])),
            "requests": [{**request, "paths": ["c", "a"]}],
        },
    ]
    got = subprocess.run(
        [sys.executable, str(SDK / "parity.py")],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
    )
    slots = [slot(f"salt of l{i}", "u") for i in range(2)]
    assert [json.loads(line) for line in got.stdout.splitlines()] == [
        {
            "answers": [
                [
                    '{"a":1,"b":1e+300}',
                    [100, 200],
                    ["l0", "l1"],
                    [["l0", 1, slots[0], 100], ["l1", 1, slots[1], 200]],
                    [
                        ["a", "1", 0, [0], [1], True],
                        ["b", "1e+300", 1, [1], [], True],
                        ["c", None, -1, [], [], False],
                    ],
                ],
                ["{}", [], [], [], []],
            ],
            "changed": ["s.a", "s.b"],
        },
        {"refused": True},
        {
            "answers": [
                [
                    *('{"c":null}', [100], ["l0"], [["l0", 1, slots[0], 100]]),
                    [["c", "null", 0, [0], [], True], ["a", None, -1, [], [], False]],
                ]
            ],
            "changed": ["s.a", "s.b", "s.c"],
        },
    ]
