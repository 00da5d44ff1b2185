"""Configurations as they travel."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable

import pytest
from snapshots import experiment, layer

from strata._engine import Ruleset
from strata._gen.strata.config.v1 import config_pb as pb
from strata._gen.strata.config.v1.entity_pb import Changes, EntityKey, EntityKind
from strata._gen.strata.config.v1.entity_pb import Entity as Put
from strata._gen.strata.serving.v1.config_pb import Update
from strata._view import (
    MAX_PART_BYTES,
    Entity,
    Key,
    OlderError,
    Position,
    Stage,
    UpdateError,
    View,
    ViewFaults,
    compare,
    compile_view,
    decode_part,
)

PART_BYTES = 256 << 10


def layer_key(layer_id: str) -> Key:
    """Return the key of a layer."""
    return Key(EntityKind.LAYER, layer_id)


def experiment_key(eid: int) -> Key:
    """Return the key of an experiment."""
    return Key(EntityKind.EXPERIMENT, str(eid))


def field_key(name: str) -> Key:
    """Return the key of a declared field."""
    return Key(EntityKind.FIELD, name)


def encode_parts(puts: Iterable[Entity], deletes: Iterable[Key]) -> list[bytes]:
    """Encode changes as servers do: gzipped, in parts, at least one."""
    parts = []
    changes = Changes()
    size = 0
    for key in deletes:
        changes.deletes.append(EntityKey(kind=EntityKind(key.kind), key=key.name))
    for e in puts:
        if size > 0 and size + len(e.payload) > PART_BYTES:
            parts.append(changes)
            changes, size = Changes(), 0
        kind = EntityKind(e.key.kind)
        changes.puts.append(Put(kind=kind, key=e.key.name, payload=e.payload))
        size += len(e.payload)
    parts.append(changes)
    return [gzip.compress(part.to_binary(), compresslevel=1, mtime=0) for part in parts]


def random_view(r: random.Random, at: Position, size: int) -> View:
    return View.empty().put(
        at,
        [
            Entity(
                Key(r.randint(1, 4), str(r.randrange(size))),
                r.choice([b"1", b"2"]) * r.randrange(30_000),
            )
            for _ in range(size)
        ],
    )


def updates(before: View | None, after: View) -> list[Update]:
    """Return the parts of an Update from one to another, or from nothing."""
    differences = compare(before, after)
    parts = encode_parts(
        [d.after for d in differences if d.after is not None],
        [d.key for d in differences if d.after is None],
    )
    all_parts = [
        Update(
            kind=Update.Kind.FULL if before is None else Update.Kind.DELTA,
            epoch=after.position.epoch,
            from_revision=0 if before is None else before.position.revision,
            to_revision=after.position.revision,
            part=i,
            changes=changes,
        )
        for i, changes in enumerate(parts)
    ]
    last = all_parts[-1]
    last.last, last.hash, last.entity_count = True, after.hash, len(after)
    return all_parts


def staged(stage: Stage, current: View, parts: Iterable[Update]) -> View:
    *first, last = parts
    for part in first:
        assert stage.add(current, part) is None
    result = stage.add(current, last)
    assert result is not None
    return result


def test_parts_lead_from_one_to_another() -> None:
    r = random.Random(1)
    stage, current = Stage(), View.empty()
    for revision in range(1, 15):
        after = random_view(r, Position(1, revision), 60)
        full = updates(None, after)
        assert len(full) > 1
        parts = full if revision % 3 == 1 else updates(current, after)
        current = staged(stage, current, parts)
        assert (current.position, current.hash, len(current)) == (
            after.position,
            after.hash,
            len(after),
        )
        assert compare(current, after) == []
        assert all(current.get(e.key) is e for e in current)


def test_stage_refuses() -> None:
    r = random.Random(2)
    a, b = random_view(r, Position(5, 3), 40), random_view(r, Position(5, 4), 40)
    full, delta = updates(None, b), updates(a, b)
    assert len(full) > 1
    assert len(delta) > 1
    other_hash = updates(None, b)
    other_hash[-1].hash = bytes(32)
    other_count = updates(None, b)
    other_count[-1].entity_count += 1
    backwards = updates(b, a)
    nowhere = updates(None, b.put(Position(5, 0)))
    unknown = updates(None, b)
    unknown[0].kind = Update.Kind(9)
    broken = updates(None, b)
    broken[0].changes = broken[0].changes[:-1]
    tail = updates(None, b)
    tail[0].changes += b"x"
    stage = Stage()
    for held, parts, what in [
        (b.put(Position(5, 5)), full, "behind"),
        (b.put(Position(6, 1)), full, "behind"),
        (b, delta, "came, held is"),
        (a.put(Position(4, 3)), delta, "came, held is"),
        (b, backwards, "leads back"),
        (a, nowhere, "leads to revision 0"),
        (a, full[1:], "part 1 of an update came where part 0 should"),
        (a, [full[0], full[0]], "part 0 of an update came where part 1 should"),
        (a, [full[0], delta[1]], "mixed"),
        (a, other_hash, "the hash is"),
        (a, other_count, "entities, and should be"),
        (a, unknown, "unknown kind 9"),
        (a, broken, "the end is missing"),
        (a, tail, "changes"),
    ]:
        with pytest.raises(UpdateError, match=what) as error:
            staged(stage, held, parts)
        assert isinstance(error.value, OlderError) == (what == "behind")
        # It begins anew after it, and a server may send again what is held.
        assert staged(stage, b, full).hash == b.hash
        assert staged(stage, a, full).hash == b.hash


@pytest.mark.parametrize(
    ("kind", "key", "ok"),
    [
        (255, "k" * 256, True),
        (0, "k", False),
        (256, "k", False),
        (1, "", False),
        (1, "k" * 257, False),
        (1, "é" * 129, False),
    ],
)
def test_apply_refuses(*, kind: int, key: str, ok: bool) -> None:
    for changes in (
        Changes(puts=[Put(kind=EntityKind(kind), key=key)]),
        Changes(deletes=[EntityKey(kind=EntityKind(kind), key=key)]),
    ):
        if ok:
            assert len(View.empty().apply(Position(1, 1), changes)) == len(changes.puts)
        else:
            with pytest.raises(UpdateError):
                View.empty().apply(Position(1, 1), changes)


def test_parts_are_bounded() -> None:
    zeros = gzip.compress(bytes(1 << 20))
    with pytest.raises(UpdateError, match="larger than 64 MiB"):
        decode_part(zeros * (MAX_PART_BYTES // (1 << 20) + 1))
    with pytest.raises(UpdateError, match="larger than 64 MiB"):
        decode_part(gzip.compress(bytes(MAX_PART_BYTES + 1), 1))
    for part in (b"", b"\x1f\x8b", b"no gzip", gzip.compress(b"\xff")):
        with pytest.raises(UpdateError):
            decode_part(part)
    (nothing,) = encode_parts([], [])
    assert decode_part(nothing) == Changes()
    members = gzip.compress(Changes().to_binary()) + nothing
    assert decode_part(members) == Changes()


def test_views_share_what_stays() -> None:
    a = View.empty().put(Position(1, 1), [Entity(field_key("f"), b"x")])
    assert a.put(Position(1, 2)).get(field_key("f")) is a.get(field_key("f"))
    assert a.put(Position(1, 2)).hash == a.hash
    assert Position(1, 9) < Position(2, 1) < Position(2, 2)
    assert View.empty()
    put_and_gone = a.put(Position(1, 2), [Entity(field_key("f"), b"y")], [field_key("f")])
    found = put_and_gone.get(field_key("f"))
    assert found is not None
    assert found.payload == b"y"


def entities(eid: int, params: str) -> list[Entity]:
    name = f"layer-{eid}"
    return [
        Entity(layer_key(name), layer(name, (0, 10_000, eid)).to_binary()),
        Entity(experiment_key(eid), experiment(eid, {eid: params}).to_binary()),
    ]


def test_compile_follows_a_history() -> None:
    r = random.Random(3)
    field = pb.Field(name="country", type=pb.FieldType.STRING)
    view = View.empty().put(
        Position(1, 1),
        [Entity(Key(77, "x"), b"not known"), Entity(field_key("country"), field.to_binary())],
    )
    running = (view, compile_view(None, view))
    for revision in range(2, 62):
        eid = r.randint(1, 8)
        puts, deletes = entities(eid, f'{{"p{eid}":{revision}}}'), []
        if r.random() < 0.3:
            gone = [layer_key(f"layer-{eid}"), experiment_key(eid), Key(2, "no number")]
            puts, deletes = [], [*gone, Key(77, "x"), field_key("country")]
        view = view.put(Position(1, revision), puts, deletes)
        ruleset = compile_view(running, view)
        anew = compile_view(None, view)
        context = {"user_id": "u"}
        assert ruleset.evaluate("s", context).parameters == anew.evaluate("s", context).parameters
        assert (ruleset.revision, ruleset.layers) == (revision, anew.layers)
        running = (view, ruleset)


def test_compile_shares_what_stays() -> None:
    view = View.empty().put(Position(1, 1), [*entities(1, "{}"), *entities(2, "{}")])
    ruleset = compile_view(None, view)
    after = view.put(Position(1, 2), entities(2, '{"a":1}'))
    changed = compile_view((view, ruleset), after)
    assert changed._state.experiments[1] is ruleset._state.experiments[1]
    assert changed._state.experiments[2] is not ruleset._state.experiments[2]


@pytest.mark.parametrize(
    ("put", "key", "problem"),
    [
        (Entity(layer_key("l"), b"\xff"), layer_key("l"), "no such message"),
        (Entity(layer_key("l"), b"\x0a\x01\xff"), layer_key("l"), "no such message"),
        (Entity(experiment_key(7), entities(1, "{}")[1].payload), experiment_key(7), 'that of "1"'),
        (
            Entity(field_key("f"), pb.Field(name="f").to_binary()),
            field_key("f"),
            "type: is unknown",
        ),
        (Entity(layer_key("l"), pb.Layer(layer_id="l").to_binary()), layer_key("l"), "salt"),
        (entities(1, "[")[1], experiment_key(1), "want an object, got a list"),
    ],
)
def test_compile_refuses(put: Entity, key: Key, problem: str) -> None:
    good = View.empty().put(Position(1, 1), entities(1, "{}"))
    bad = good.put(Position(1, 2), [put])
    for previous in (None, (good, compile_view(None, good))):
        with pytest.raises(ViewFaults, match=problem) as error:
            compile_view(previous, bad)
        assert {fault.key for fault in error.value.faults} == {key}
        assert isinstance(previous, tuple | None)


def test_rules_deeper_than_a_parser_goes() -> None:
    deep = b""
    for _ in range(300):
        deep = b"\x08\x03\x12" + varint(len(deep)) + deep
    payload = b"\x08\x01\x1a" + varint(len(deep)) + deep
    with pytest.raises(ViewFaults, match="no such message"):
        compile_view(None, View.empty().put(Position(1, 1), [Entity(experiment_key(1), payload)]))
    assert isinstance(compile_view(None, View.empty()), Ruleset)


def varint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])
