"""A compiled configuration, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from strata._gen.strata.config.v1 import config_pb as pb

from .cache import Cache
from .compile import eid_text
from .decide import MATCHED, decide
from .explain import Explanation, explain
from .fault import Fault, Faults, Kind, Reason
from .inputs import Inputs
from .link import Change, State, link
from .path import parse_path
from .resources import Experiment, Layer, Linked
from .result import NOTHING, Merged, Result

T = TypeVar("T", pb.Layer, pb.Experiment, pb.Field)


class _Sourced(Protocol):
    """What was compiled from a message."""

    @property
    def source(self) -> object: ...


class Ruleset:
    """A compiled configuration. It never changes, and any number of threads may use it."""

    __slots__ = ("_cache", "_state")

    def __init__(self, state: State, cache: Cache[Merged]) -> None:
        """For this module alone: see compile."""
        self._state = state
        self._cache = cache

    @staticmethod
    def compile(previous: Ruleset | None, snapshot: pb.Snapshot) -> Ruleset:
        """Compile a whole configuration.

        What is equal in the previous one is shared with it and not compiled again; this
        is cheapest where it is the same message. The messages of the snapshot must not be
        changed afterwards.

        It raises Faults, which lists everything that is wrong.
        """
        if previous is None:
            previous = Ruleset(State(), Cache())
        delta = _Delta(previous._state, snapshot)
        state, faults = link(previous._state, delta.change)
        if faults or delta.repeated:
            raise Faults(delta.repeated + [delta.located(fault) for fault in faults])
        return Ruleset(state, previous._cache)

    def apply(self, change: Change) -> Ruleset:
        """Return the configuration with a change made to it.

        Only what changed is compiled; a change of a field's type compiles all rules that
        use it. It raises Faults, whose index is the place in the list of the change, or
        -1 for a resource that was not changed itself.
        """
        repeated: list[Fault] = []
        _firsts(repeated, Kind.LAYER, change.layers, _layer_id)
        _firsts(repeated, Kind.EXPERIMENT, change.experiments, _eid)
        _firsts(repeated, Kind.FIELD, change.fields, _field_name)
        state, faults = link(self._state, change)
        if faults or repeated:
            raise Faults(repeated + faults)
        return Ruleset(state, self._cache)

    def detached(self) -> Ruleset:
        """Return the same configuration with a cache of its own, which is empty.

        It is for a process that was forked: another thread of the parent may have held
        the lock of the cache at that time, and nobody opens it there. Windows are those
        of the configuration that it was made from.
        """
        return Ruleset(self._state, Cache())

    @property
    def revision(self) -> int:
        """The revision that the configuration was given."""
        return self._state.revision

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self._state.layers)

    @property
    def experiments(self) -> int:
        """How many experiments there are."""
        return len(self._state.experiments)

    def evaluate(
        self, service: str, context: Mapping[str, object], layers: Collection[str] = ()
    ) -> Result:
        """Return what a service gets in a context.

        If layers is not empty, only layers named in it take part. Whatever the context
        holds, it raises nothing.
        """
        found = self._state.services.get(service)
        if found is None:
            return NOTHING
        only = frozenset(layers) if layers else None
        inputs = Inputs(context)
        linked: list[Linked] = []
        for layer in found.layers:
            if only is not None and layer.id not in only:
                continue
            outcome, _, match = decide(layer, service, inputs)
            if outcome is MATCHED:
                linked.append(match)  # type: ignore[arg-type]
        if not linked:
            return NOTHING
        return self._result(linked, inputs)

    def _result(self, linked: list[Linked], inputs: Inputs) -> Result:
        """Return the result of some matches, merging them if it is not at hand."""
        cache = self._cache
        combination = tuple([match.identity for match in linked])
        merged = cache.get(combination)
        if merged is None:
            merged = Merged(linked)
            cache.put(combination, merged, merged.size())
        return Result(merged, linked, inputs.hashed, cache)

    def explain(
        self, service: str, context: Mapping[str, object], layers: Collection[str] = ()
    ) -> Explanation:
        """Evaluate like evaluate, and say why. It costs many times as much."""
        found = self._state.services.get(service)
        if found is None:
            return Explanation(NOTHING)
        only = frozenset(layers) if layers else None
        return explain(found, Inputs(context), only, self._result)

    def knows(self, service: str, path: str) -> bool:
        """Report whether a variant of the service has a value at a path.

        Variants that stand in no layer do not count.
        """
        found = self._state.services.get(service)
        return found is not None and found.knows(parse_path(path))

    def services(self) -> list[str]:
        """Return the names of all services that have a variant in a layer, in order."""
        layers = self._state.layers.values()
        return sorted({e.service for layer in layers for e in layer.experiments})

    def hash_keys(self) -> list[str]:
        """Return the context fields that layers hash, each once, in order."""
        return sorted({layer.hash_key for layer in self._state.layers.values()})


def changed(before: Ruleset | None, after: Ruleset | None) -> list[str]:
    """Return where parameters may differ between two configurations.

    That is service.path for each leaf of each experiment that came, went or changed, or
    whose layer did, in order. A dot in the name of a service stays as it is.
    """
    was = before._state.layers if before is not None else {}
    now = after._state.layers if after is not None else {}
    touched: set[Experiment] = set()
    for layer_id in {*was, *now}:
        touched |= _touched(was.get(layer_id), now.get(layer_id))
    return sorted({f"{e.service}.{path}" for e in touched for path in e.outline().leaf_paths()})


def _touched(was: Layer | None, now: Layer | None) -> set[Experiment]:
    if was is now:
        return set()
    old = set(was.experiments) if was is not None else set()
    new = set(now.experiments) if now is not None else set()
    same = was is not None and now is not None and was.serial == now.serial
    return old ^ new if same else old | new


class _Delta:
    """The change that leads to a snapshot."""

    def __init__(self, before: State, snapshot: pb.Snapshot) -> None:
        self._snapshot = snapshot
        # Those that stand twice in the snapshot: the first one counts, the others are
        # faults.
        self.repeated: list[Fault] = []
        layers = _firsts(self.repeated, Kind.LAYER, snapshot.layers, _layer_id)
        experiments = _firsts(self.repeated, Kind.EXPERIMENT, snapshot.experiments, _eid)
        fields = _firsts(self.repeated, Kind.FIELD, snapshot.fields, _field_name)
        old_layers, old_fields = before.layers, before.fields
        old_experiments = {eid_text(eid): e for eid, e in before.experiments.items()}
        # Where the changed resources stand in the snapshot.
        self._at = {
            Kind.LAYER: _others(layers, old_layers, _layer_id),
            Kind.EXPERIMENT: _others(experiments, old_experiments, _eid),
            Kind.FIELD: _others(fields, old_fields, _field_name),
        }
        self.change = Change(
            revision=snapshot.revision,
            layers=tuple(snapshot.layers[i] for i in self._at[Kind.LAYER]),
            experiments=tuple(snapshot.experiments[i] for i in self._at[Kind.EXPERIMENT]),
            fields=tuple(snapshot.fields[i] for i in self._at[Kind.FIELD]),
            deleted_layers=_gone(old_layers, layers, _layer_id),
            deleted_experiments=tuple(map(int, _gone(old_experiments, experiments, _eid))),
            deleted_fields=_gone(old_fields, fields, _field_name),
        )

    def located(self, fault: Fault) -> Fault:
        """Give a fault the place of its resource in the snapshot, not in the change."""
        if fault.index >= 0:
            return replace(fault, index=self._at[fault.kind][fault.index])
        # Only layers and experiments are compiled again without a change.
        if fault.kind == Kind.LAYER:
            ids = [_layer_id(src) for src in self._snapshot.layers]
        else:
            ids = [_eid(src) for src in self._snapshot.experiments]
        return replace(fault, index=ids.index(fault.id))


def _layer_id(src: pb.Layer) -> str:
    return src.layer_id


def _eid(src: pb.Experiment) -> str:
    return eid_text(src.eid)


def _field_name(src: pb.Field) -> str:
    return src.name


def _firsts(
    repeated: list[Fault], kind: Kind, sources: Iterable[T], id_of: Callable[[T], str]
) -> list[tuple[int, T]]:
    """Return the resources with their places, and note those that stand twice as faults.

    One without an id is reported as such, each time.
    """
    firsts: list[tuple[int, T]] = []
    seen = set()
    for i, src in enumerate(sources):
        name = id_of(src)
        if name and name in seen:
            problem = "stands twice: the id must be unique"
            repeated.append(Fault(Reason.ID_TAKEN, kind, name, i, "", problem))
            continue
        seen.add(name)
        firsts.append((i, src))
    return firsts


def _others(
    firsts: list[tuple[int, T]], old: Mapping[str, _Sourced], id_of: Callable[[T], str]
) -> list[int]:
    """Return the places of the resources that are not as they were."""
    places = []
    for i, src in firsts:
        before = old.get(id_of(src))
        # By identity first: a message that is equal only by content was read again.
        if before is None or not (before.source is src or before.source == src):
            places.append(i)
    return places


def _gone(
    old: Iterable[str], firsts: list[tuple[int, T]], id_of: Callable[[T], str]
) -> tuple[str, ...]:
    kept = {id_of(src) for _, src in firsts}
    return tuple(name for name in old if name not in kept)
