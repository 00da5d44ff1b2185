"""What a configuration is compiled to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Final

from strata._gen.strata.config.v1 import config_pb as pb

from .bucket import salt_bytes
from .outline import Outline
from .params import Params
from .result import Match
from .rule import Program, RuleNode

# Numbers that are never used twice in this process, so that what is made from one
# configuration is not taken for what is made from another.
_serials: Final = count(1)


class SlotRange:
    """A range of a layer."""

    __slots__ = ("end", "index", "start", "vid")

    def __init__(self, src: pb.Range, index: int) -> None:
        self.start, self.end, self.vid = src.start, src.end, src.vid
        self.index = index
        """In the source."""


class Layer:
    """A layer. The one that is linked to other experiments is another object."""

    __slots__ = (
        *("enabled", "hash_key", "id", "priority", "ranges", "salt", "serial", "source"),
        *("ends", "experiments", "found", "services"),
    )

    def __init__(self, src: pb.Layer) -> None:
        self.id = src.layer_id
        self.priority = src.priority
        self.enabled = src.enabled
        self.hash_key = src.hash_key
        self.salt = salt_bytes(src.salt)
        self.ranges: list[SlotRange] = []
        """Sorted by their start."""
        self.serial = next(_serials)
        """Another one each time the layer is read."""
        self.source = src
        self.ends: list[int] = []
        """Where runs of slots that get the same variant end; together they cover all slots."""
        self.found: list[Linked | None] = []
        """What each run gets."""
        self.services: list[str] = []
        """That it has variants of, or is declared to be for."""
        self.experiments: list[Experiment] = []
        """Whose variants stand in it, each once."""

    def order(self) -> tuple[int, str]:
        """Return what layers are evaluated in the order of."""
        return -self.priority, self.id


class Experiment:
    """An experiment."""

    __slots__ = ("_outline", "eid", "program", "rule", "serial", "service", "source", "variants")

    def __init__(self, src: pb.Experiment) -> None:
        self.eid = src.eid
        self.service = src.service
        self.rule: RuleNode | None = None
        self.program: Program | None = None
        """Decides whether the rule is TRUE."""
        self.variants: list[Variant] = []
        self.serial = next(_serials)
        """Another one each time the experiment is read."""
        self.source = src
        self._outline: Outline | None = None

    def outline(self) -> Outline:
        """Return the paths of its variants."""
        # Of two threads that make it at once either may win, as they are equal.
        if self._outline is None:
            made = Outline()
            for variant in self.variants:
                made.add(variant.params)
            self._outline = made
        return self._outline


class Variant:
    """A variant."""

    __slots__ = ("experiment", "params", "vid")

    def __init__(self, vid: int, experiment: Experiment, params: Params) -> None:
        self.vid, self.experiment, self.params = vid, experiment, params


class Linked:
    """A variant in its layer: what an evaluation finds for a slot."""

    __slots__ = ("experiment", "identity", "match", "params", "program", "service")

    def __init__(self, layer: Layer, variant: Variant) -> None:
        e = variant.experiment
        self.identity = next(_serials)
        """Tells it apart from all others. It leads to nothing.

        So a cached result does not keep alive the revision that it was made from.
        """
        self.service = e.service
        self.program = e.program
        self.params = variant.params
        self.experiment = e
        self.match = Match(
            layer_id=layer.id,
            hash_key=layer.hash_key,
            salt=layer.source.salt,
            eid=e.eid,
            vid=variant.vid,
            ruled=e.rule is not None,
            window=layer.serial << 64 | e.serial,
        )


class Service:
    """The layers that have a variant of a service, in order of evaluation."""

    __slots__ = ("_outline", "layers", "name")

    def __init__(self, name: str, layers: list[Layer]) -> None:
        self.name = name
        self.layers = layers
        self._outline: Outline | None = None

    def outline(self) -> Outline:
        """Return the paths of all experiments whose variants stand in a layer."""
        if self._outline is None:
            made = Outline()
            for layer in self.layers:
                for e in layer.experiments:
                    if e.service == self.name:
                        made.join(e.outline())
            self._outline = made
        return self._outline

    def knows(self, keys: Sequence[str]) -> bool:
        """Report whether one of its variants that stand in a layer has a value at a path."""
        return self.outline().has(keys)


class Field:
    """A declared field."""

    __slots__ = ("source", "type")

    def __init__(self, src: pb.Field, typ: pb.FieldType) -> None:
        self.source, self.type = src, typ
