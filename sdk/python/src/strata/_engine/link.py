"""How a Ruleset is made from another one and a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass

from strata._gen.strata.config.v1 import config_pb as pb

from .bucket import SLOTS
from .compile import eid_text, read_experiment, read_field, read_layer
from .fault import Fault, Kind, Reason, Report
from .resources import Experiment, Field, Layer, Linked, Service, Variant


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between two configurations."""

    revision: int
    """What the result is called."""
    layers: tuple[pb.Layer, ...] = ()
    """Are added, or replace those of the same id, each id once; so do the next two.

    They must not be changed afterwards.
    """
    experiments: tuple[pb.Experiment, ...] = ()
    fields: tuple[pb.Field, ...] = ()
    deleted_layers: tuple[str, ...] = ()
    """Are gone, if they were there and are not added again; so are the next two."""
    deleted_experiments: tuple[int, ...] = ()
    deleted_fields: tuple[str, ...] = ()


class State:
    """A linked configuration. It is not changed once it is complete."""

    __slots__ = ("experiments", "fields", "homes", "layers", "revision", "services", "variants")

    def __init__(self) -> None:
        self.revision = 0
        self.layers: dict[str, Layer] = {}
        self.experiments: dict[int, Experiment] = {}
        self.variants: dict[int, Variant] = {}
        """By vid."""
        self.homes: dict[int, str] = {}
        """The layer that an experiment lives in."""
        self.services: dict[str, Service] = {}
        self.fields: dict[str, Field] = {}

    def copy(self, revision: int) -> State:
        """Return a copy to be changed."""
        other = State()
        other.revision = revision
        other.layers = self.layers.copy()
        other.experiments = self.experiments.copy()
        other.variants = self.variants.copy()
        other.homes = self.homes.copy()
        other.services = self.services.copy()
        other.fields = self.fields.copy()
        return other


def link(before: State, change: Change) -> tuple[State, list[Fault]]:
    """Return a configuration with a change made to it, and its faults.

    If there are faults it is of no use. Their index is the place in the list of the
    change, or -1 for a resource that was not changed itself.
    """
    builder = _Builder(before, change)
    return builder.next, builder.faults


class _Builder:
    """Reads the changed resources, and links again what refers to them."""

    def __init__(self, before: State, change: Change) -> None:
        self.next = before.copy(change.revision)
        self.faults: list[Fault] = []
        self._before = before
        # The layers that are read again, linked again or deleted; the value is the
        # new form, None for a deleted one.
        self._moved: dict[str, Layer | None] = {}
        retyped = self._apply_fields(change)
        self._apply_experiments(change, retyped)
        self._apply_layers(change)
        self._apply_services()

    def _apply_fields(self, change: Change) -> set[str]:
        """Return the names of the fields whose type is another one now."""
        before, fields = self._before.fields, self.next.fields
        for name in change.deleted_fields:
            fields.pop(name, None)
        for i, src in enumerate(change.fields):
            fields[src.name] = read_field(self.faults, src, i)

        def type_in(some: Mapping[str, Field], name: str) -> pb.FieldType | None:
            return some[name].type if name in some else None

        touched = {*change.deleted_fields, *(src.name for src in change.fields)}
        return {name for name in touched if type_in(before, name) != type_in(fields, name)}

    def _apply_experiments(self, change: Change, retyped: set[str]) -> None:
        for eid in change.deleted_experiments:
            self._remove_experiment(eid)
        read: list[tuple[Experiment, int]] = []
        for i, src in enumerate(change.experiments):
            self._remove_experiment(src.eid)
            read.append((read_experiment(self.faults, self.next.fields, src, i), i))
        if retyped:
            for e in list(self.next.experiments.values()):
                if e.rule is not None and e.rule.uses(retyped):
                    self._remove_experiment(e.eid)
                    again = read_experiment(self.faults, self.next.fields, e.source, -1)
                    read.append((again, -1))
        for e, i in read:
            self._add_experiment(e, i)

    def _remove_experiment(self, eid: int) -> None:
        e = self.next.experiments.pop(eid, None)
        if e is None:
            return
        for variant in e.variants:
            self.next.variants.pop(variant.vid, None)
        home = self.next.homes.get(eid)
        if home is not None:
            self._moved[home] = self.next.layers.get(home)

    def _add_experiment(self, e: Experiment, index: int) -> None:
        report = Report(self.faults, Kind.EXPERIMENT, eid_text(e.eid), index, Reason.ID_TAKEN)
        self.next.experiments[e.eid] = e
        for i, variant in enumerate(e.variants):
            other = self.next.variants.setdefault(variant.vid, variant)
            if other is not variant:
                problem = f"{variant.vid} is taken by experiment {other.experiment.eid}"
                report.fault(f"variants[{i}].vid", problem)

    def _apply_layers(self, change: Change) -> None:
        for layer_id in change.deleted_layers:
            self._moved[layer_id] = None
        index = {}
        for i, src in enumerate(change.layers):
            index[src.layer_id] = i
            self._moved[src.layer_id] = read_layer(self.faults, src, i)
        homes = self.next.homes
        for layer_id in self._moved:
            old = self._before.layers.get(layer_id)
            for e in old.experiments if old is not None else ():
                if homes.get(e.eid) == layer_id:
                    del homes[e.eid]
        for layer_id in sorted(self._moved):
            layer = self._moved[layer_id]
            if layer is None:
                self.next.layers.pop(layer_id, None)
                continue
            if layer_id not in index:
                layer = self._moved[layer_id] = copy(layer)
            self._link(layer, Report(self.faults, Kind.LAYER, layer_id, index.get(layer_id, -1)))
            self.next.layers[layer_id] = layer

    def _link(self, layer: Layer, report: Report) -> None:
        """Find the variants of a layer's ranges, and cut the slots into runs."""
        layer.ends, layer.found = [], []
        own = layer.source.service
        services = {own: None} if own else {}
        experiments: dict[Experiment, None] = {}
        linked: dict[int, Linked] = {}
        at = 0
        for r in layer.ranges:
            variant = self.next.variants.get(r.vid)
            path = f"ranges[{r.index}].vid"
            if variant is None:
                if r.vid >= 1:
                    problem = f"{r.vid} is no variant of any experiment"
                    report.of(Reason.UNKNOWN_VARIANT).fault(path, problem)
                continue
            e = variant.experiment
            if own and e.service != own:
                report.of(Reason.WRONG_SERVICE).fault(
                    path,
                    f"{r.vid} belongs to service {e.service}, and the layer to service {own}",
                )
            home = self.next.homes.get(e.eid)
            if not home:
                self.next.homes[e.eid] = layer.id
            elif home != layer.id:
                report.of(Reason.IN_TWO_LAYERS).fault(
                    path,
                    f"{r.vid} belongs to experiment {e.eid}, which lives in layer {home} already",
                )
            if r.vid not in linked:
                linked[r.vid] = Linked(layer, variant)
            services[e.service] = None
            experiments[e] = None
            if r.start > at:
                layer.ends.append(r.start)
                layer.found.append(None)
            layer.ends.append(r.end)
            layer.found.append(linked[r.vid])
            at = r.end
        if at < SLOTS:
            layer.ends.append(SLOTS)
            layer.found.append(None)
        layer.services, layer.experiments = list(services), list(experiments)

    def _apply_services(self) -> None:
        """Put the moved layers into the lists of their services."""
        added: dict[str, list[Layer]] = {}
        for layer_id, layer in self._moved.items():
            old = self._before.layers.get(layer_id)
            for name in old.services if old is not None else ():
                added.setdefault(name, [])
            for name in layer.services if layer is not None else ():
                added.setdefault(name, []).append(layer)  # type: ignore[arg-type]
        for name, layers in added.items():
            layers += self._staying(name)
            if layers:
                self.next.services[name] = Service(name, sorted(layers, key=Layer.order))
            else:
                self.next.services.pop(name, None)

    def _staying(self, service: str) -> Iterable[Layer]:
        old = self._before.services.get(service)
        if old is None:
            return ()
        return (layer for layer in old.layers if layer.id not in self._moved)
