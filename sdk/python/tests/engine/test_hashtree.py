"""The hash of a configuration."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest

from strata._hashtree import Key, Tree
from strata._view import Entity

VECTORS = Path(__file__).parents[3] / "conformance" / "hashtree" / "vectors.json"
TREES = json.loads(VECTORS.read_text(encoding="utf-8"))["trees"]


@pytest.mark.parametrize("vector", TREES, ids=lambda v: v["name"])
def test_shared_vectors(vector: dict[str, object]) -> None:
    entities = [
        Entity(Key(e["kind"], e["key"]), bytes.fromhex(e["payload_hex"]))
        for e in vector["entities"]  # type: ignore[attr-defined]
    ]
    assert Tree[Entity]().put(entities, ()).hash.hex() == vector["hash_hex"]
    one_by_one = Tree[Entity]()
    for entity in entities:
        one_by_one = one_by_one.put([entity], ())
    assert one_by_one.hash.hex() == vector["hash_hex"]


def test_a_history_of_random_changes() -> None:
    r = random.Random(1)
    tree = Tree[Entity]()
    held: dict[Key, Entity] = {}
    for _ in range(300):
        before, were = tree, dict(held)
        deletes = [Key(r.randint(1, 3), str(r.randint(0, 60))) for _ in range(r.randint(0, 5))]
        puts = [
            Entity(Key(r.randint(1, 3), str(r.randint(0, 60))), bytes([r.randint(0, 2)]))
            for _ in range(r.randint(0, 5))
        ]
        tree = tree.put(puts, deletes)
        for key in deletes:
            held.pop(key, None)
        held.update({e.key: e for e in puts})
        assert len(tree) == len(held) == len(list(tree))
        assert all(tree.get(key) is e for key, e in held.items())
        assert len(before) == len(were)
        differences = {d.key: (d.before, d.after) for d in before.differences(tree)}
        want = {
            key: (were.get(key), held.get(key))
            for key in were.keys() | held.keys()
            if digest(were.get(key)) != digest(held.get(key))
        }
        assert differences == want
        assert list(differences) == sorted(want)
        shuffled = r.sample(list(held.values()), len(held))
        assert Tree[Entity]().put(shuffled, ()).hash == tree.hash
        assert [e.key for e in Tree[Entity]().put(shuffled, ())] == [e.key for e in tree]


def digest(entity: Entity | None) -> bytes:
    return b"" if entity is None else hashlib.sha256(entity.payload).digest()
