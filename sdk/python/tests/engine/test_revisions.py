"""From one configuration to the next."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from threading import Barrier, Thread

import pytest
from snapshots import condition, experiment, layer, stack

from strata._engine import Change, Ruleset, changed
from strata._gen.strata.config.v1 import config_pb as pb
from strata._gen.strata.config.v1.config_pb import FieldType, Operator


def whole() -> pb.Snapshot:
    s = stack(['{"a":1}', '{"b":{"c":2}}'], ['{"d":3}'], ['{"e":4}'])
    # The second experiment lives in the first one's layer.
    s.layers[0].ranges = [pb.Range(end=5000, vid=100), pb.Range(start=5000, end=10_000, vid=200)]
    del s.layers[1]
    s.experiments[2].rule = condition("country", Operator.IN, "US")
    return s


def windows(rules: Ruleset) -> dict[int, int]:
    contexts = [{"user_id": i, "country": "US"} for i in range(50)]
    return {m.eid: m.window for c in contexts for m in rules.evaluate("s", c).matches}


def change_value(s: pb.Snapshot) -> None:
    s.experiments[0].variants[0].params_json = '{"a":2}'


def change_path(s: pb.Snapshot) -> None:
    s.experiments[1].variants[0].params_json = '{"f":3}'


def change_layer(s: pb.Snapshot) -> None:
    s.layers[0].priority = 9


def remove_layer(s: pb.Snapshot) -> None:
    del s.layers[1]


def remove_experiment(s: pb.Snapshot) -> None:
    del s.layers[0].ranges[1], s.experiments[1]


def declare_other(s: pb.Snapshot) -> None:
    s.fields.append(pb.Field(name="x", type=FieldType.INT))


def declare_used(s: pb.Snapshot) -> None:
    s.fields.append(pb.Field(name="country", type=FieldType.STRING))


@pytest.mark.parametrize(
    ("change", "paths", "ended"),
    [
        (lambda s: None, [], set()),
        (change_value, ["s.a", "s.b.c"], {1}),
        (change_path, ["s.d", "s.f"], {2}),
        (change_layer, ["s.a", "s.b.c", "s.d"], {1, 2}),
        (remove_layer, ["s.e"], set()),
        (remove_experiment, ["s.a", "s.b.c", "s.d"], {1}),
        (declare_other, [], set()),
        (declare_used, ["s.e"], {3}),
    ],
)
def test_changed_and_windows(
    change: Callable[[pb.Snapshot], None], paths: list[str], ended: set[int]
) -> None:
    before = Ruleset.compile(None, whole())
    snapshot = whole()
    change(snapshot)
    after = Ruleset.compile(before, snapshot)
    assert changed(before, after) == paths
    old, new = windows(before), windows(after)
    assert {eid for eid in new if old[eid] != new[eid]} == ended


def test_a_type_that_changes_changes_experiments() -> None:
    before = Ruleset.compile(None, whole())
    snapshot = whole()
    snapshot.fields.append(pb.Field(name="country", type=FieldType.SEMVER))
    snapshot.experiments[2].rule = condition("country", Operator.IN, "1.0.0")
    after = Ruleset.compile(before, snapshot)
    assert changed(before, after) == ["s.e"]
    undeclared = whole()
    undeclared.experiments[2].rule = condition("country", Operator.IN, "1.0.0")
    assert changed(after, Ruleset.compile(after, undeclared)) == ["s.e"]


def test_from_and_to_nothing() -> None:
    rules = Ruleset.compile(None, whole())
    assert changed(None, rules) == changed(rules, None) == ["s.a", "s.b.c", "s.d", "s.e"]
    assert changed(None, None) == []


def random_snapshot(r: random.Random) -> pb.Snapshot:
    s = pb.Snapshot(revision=r.randrange(1000))
    for eid in r.sample(range(1, 9), r.randint(1, 8)):
        # A change of what few ids have makes most of it the same.
        params = {10 * eid + j: json.dumps({"p": {str(eid): r.randrange(2)}}) for j in range(2)}
        field = r.choice(["n", "m"])
        rule = condition(field, Operator.GTE, r.randrange(2)) if r.random() < 0.5 else None
        e = experiment(eid, params, rule, service=r.choice(["s", "t"]))
        s.experiments.append(e)
        if r.random() < 0.8:
            home = f"l{eid // 2}"
            found = next((known for known in s.layers if known.layer_id == home), None)
            if found is None:
                found = layer(home, priority=r.randrange(2))
                s.layers.append(found)
            at = 5000 * (eid % 2)
            found.ranges.append(pb.Range(start=at, end=at + 5000, vid=10 * eid + r.randrange(2)))
    for name in ("n", "m"):
        if r.random() < 0.5:
            s.fields.append(pb.Field(name=name, type=r.choice([FieldType.INT, FieldType.FLOAT])))
    return s


def answers(rules: Ruleset) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for i in range(30):
        for service in ("s", "t"):
            result = rules.evaluate(service, {"user_id": f"u{i}", "n": i % 3 - 0.5, "m": i % 2})
            r = result.read("p")
            found.append((result.parameters, result.vids, result.matched_layers))
            found.append((r.text, r.exposed, r.hidden, rules.knows(service, f"p.{i}")))
    return found


def test_a_history_answers_like_what_is_compiled_at_once() -> None:
    r = random.Random(5)
    rules: Ruleset | None = None
    for _ in range(200):
        snapshot = random_snapshot(r)
        before = rules
        rules = Ruleset.compile(rules, pb.Snapshot.from_binary(snapshot.to_binary()))
        anew = Ruleset.compile(None, snapshot)
        assert answers(rules) == answers(anew)
        assert (rules.revision, rules.layers, rules.experiments) == (
            snapshot.revision,
            len(snapshot.layers),
            len(snapshot.experiments),
        )
        assert rules.services() == anew.services()
        same = Ruleset.compile(rules, snapshot)
        assert changed(rules, same) == []
        if before is not None and answers(before) != answers(rules):
            assert changed(before, rules) != []


def test_what_is_equal_is_shared() -> None:
    before = Ruleset.compile(None, whole())
    snapshot = whole()
    change_path(snapshot)
    after = Ruleset.compile(before, snapshot)
    assert after._state.layers["l2"] is before._state.layers["l2"]
    assert after._state.experiments[1] is before._state.experiments[1]
    assert after._state.experiments[2] is not before._state.experiments[2]


def test_apply() -> None:
    rules = Ruleset.compile(None, whole())
    e = experiment(7, {700: '{"z":1}'})
    rules = rules.apply(Change(5, layers=(layer("z", (0, 10_000, 700)),), experiments=(e,)))
    assert (rules.revision, rules.layers, rules.experiments) == (5, 3, 4)
    assert '"z":1' in rules.evaluate("s", {"user_id": "u"}).parameters
    rules = rules.apply(
        Change(
            6, deleted_layers=("z", "nothing"), deleted_experiments=(7, 8), deleted_fields=("f",)
        )
    )
    assert (rules.revision, rules.layers, rules.experiments) == (6, 2, 3)
    assert '"z":1' not in rules.evaluate("s", {"user_id": "u"}).parameters


def test_threads_evaluate_while_revisions_change() -> None:
    snapshots = []
    for revision in range(6):
        s = stack(['{"a":{"x":1}}'], [f'{{"a":{{"y":{revision}}},"r":{revision}}}'], ["{}"])
        s.revision = revision
        snapshots.append(s)
    running = [Ruleset.compile(None, snapshots[0])]
    workers, rounds = 6, 400
    barrier = Barrier(workers + 1)
    wrong: list[str] = []
    seen: set[int] = set()

    def work(worker: int) -> None:
        barrier.wait()
        for i in range(rounds):
            rules = running[0]
            result = rules.evaluate("s", {"user_id": f"{worker}.{i}"})
            revision = rules.revision
            if result.parameters != f'{{"a":{{"x":1,"y":{revision}}},"r":{revision}}}':
                wrong.append(result.parameters)
            if result.read("r").value != revision or result.read(f"a.{i}").exposed:
                wrong.append(f"read {result.read('r')}")
            if not rules.knows("s", "a.y"):
                wrong.append("a.y is not known")
            seen.add(revision)

    threads = [Thread(target=work, args=(i,)) for i in range(workers)]
    for thread in threads:
        thread.start()
    barrier.wait()
    while any(thread.is_alive() for thread in threads):
        running[0] = Ruleset.compile(running[0], snapshots[(running[0].revision + 1) % 6])
    for thread in threads:
        thread.join()
    assert wrong == []
    assert seen
