"""What is kept of results."""

from __future__ import annotations

import json

import pytest
from snapshots import experiment, layer, stack

from strata._engine import Change, Ruleset, changed
from strata._engine.cache import Cache
from strata._engine.result import _MOST_READINGS
from strata._gen.strata.config.v1 import config_pb as pb


class Entry:
    def __init__(self) -> None:
        self.held = 0


def test_the_oldest_make_room() -> None:
    cache: Cache[Entry] = Cache(limit=1600)
    entries = [Entry() for _ in range(40)]
    for i, entry in enumerate(entries):
        cache.put((i,), entry, 100)
        assert cache.bytes <= 1600
    kept = [i for i in range(40) if cache.get((i,)) is not None]
    assert kept == list(range(24, 40))
    assert all((entry.held > 0) == (i in kept) for i, entry in enumerate(entries))


def test_large_ones_are_not_kept() -> None:
    cache: Cache[Entry] = Cache(limit=1600)
    cache.put((1,), Entry(), 101)
    assert cache.get((1,)) is None
    assert cache.bytes == 0


def test_entries_grow_within_the_limit() -> None:
    cache: Cache[Entry] = Cache(limit=1600)
    alone, kept = Entry(), Entry()
    assert cache.grow(alone, 10_000)
    cache.put((1,), kept, 100)
    assert cache.grow(kept, 1500)
    assert not cache.grow(kept, 1)
    assert cache.bytes == 1600
    cache.put((1,), Entry(), 50)  # another one has come in between
    assert not cache.grow(kept, 1)
    assert cache.bytes == 50


def test_a_detached_one_has_a_cache_of_its_own() -> None:
    rules = Ruleset.compile(None, stack(['{"a":1}']))
    detached = rules.detached()
    with rules._cache._lock:  # as another thread of a parent may have it
        mine = detached.evaluate("s", {"user_id": "u"})
    theirs = rules.evaluate("s", {"user_id": "u"})
    assert (mine.parameters, mine.matches) == (theirs.parameters, theirs.matches)
    assert detached.evaluate("s", {"user_id": "v"}).matches is mine.matches
    assert theirs.matches is not mine.matches
    assert changed(rules, detached) == []


def test_results_survive_revisions() -> None:
    snapshot = stack(['{"a":{"b":1}}'], ['{"c":1}'])
    rules = Ruleset.compile(None, snapshot)
    first = rules.evaluate("s", {"user_id": "u"})
    reading = first.read("a")
    later = rules.apply(Change(2, layers=(layer("new"),)))
    assert later.evaluate("s", {"user_id": "u"}).read("a") is reading
    assert later.evaluate("s", {"user_id": "other"}).matches is first.matches
    changed = later.apply(Change(3, experiments=(experiment(2, {200: '{"c":2}'}),)))
    assert changed.evaluate("s", {"user_id": "u"}).read("a") is not reading
    assert changed.evaluate("s", {"user_id": "u"}).parameters == '{"a":{"b":1},"c":2}'
    assert rules.evaluate("s", {"user_id": "u"}).read("a") is reading


def test_readings_are_bounded() -> None:
    rules = Ruleset.compile(None, stack([json.dumps({"a": "x" * 1000})]))
    result = rules.evaluate("s", {"user_id": "u"})
    for i in range(5 * _MOST_READINGS):
        assert result.read(f"a.{i}").exposed == (0,)
    assert len(result._merged.readings) == _MOST_READINGS
    before = rules._cache.bytes
    result.read("one more")
    assert rules._cache.bytes == before < 1 << 20


@pytest.mark.parametrize("limit", [1 << 14, 1 << 17])
def test_answers_do_not_depend_on_what_is_kept(limit: int) -> None:
    snapshot = pb.Snapshot()
    for i in range(6):
        vids = {10 * i + j + 1: json.dumps({"k": {f"{i}": j}}) for j in range(4)}
        snapshot.experiments.append(experiment(i + 1, vids))
        ranges = [(2500 * j, 2500 * (j + 1), vid) for j, vid in enumerate(vids)]
        snapshot.layers.append(layer(f"l{i}", *ranges, priority=i))
    roomy = Ruleset.compile(None, snapshot)
    tight = Ruleset(roomy._state, Cache(limit))
    for i in range(2000):
        context: dict[str, object] = {"user_id": i % 500}
        a, b = roomy.evaluate("s", context), tight.evaluate("s", context)
        assert a.parameters == b.parameters
        assert a.read("k").text == b.read("k").text
        assert tight._cache.bytes <= limit
