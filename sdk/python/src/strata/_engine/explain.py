"""Why a service gets what it gets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from strata._gen.strata.config.v1.config_pb import FieldType, Operator

from .compile import value_text
from .decide import Decision, Outcome, decide
from .inputs import ABSENT, Inputs
from .merge import Slot, collect
from .params import Member, Params
from .resources import Layer, Linked, Service
from .result import NOTHING, Result
from .rule import RuleNode, Truth
from .value import Plain, byte_length, clip, plain

MAX_PATH_BYTES = 16 << 20
"""Bounds the paths of one explanation, all together.

Those of deep parameters with long keys would be much longer than the parameters.
"""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one layer would set at a path."""

    layer_id: str
    eid: int
    vid: int
    value: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class ParameterExplanation:
    """Where the value at a path came from."""

    path: str
    """A JSON Pointer (RFC 6901)."""
    winner: Contribution
    """Set the value: a whole value, or an object that hides a lower layer's whole value."""
    hidden: tuple[Contribution, ...]
    """What it hid, highest priority first."""


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """A node of a rule with what it came to."""

    op: Operator
    truth: Truth
    children: tuple[RuleExplanation, ...]
    field: str = ""
    """For conditions: the field."""
    type: FieldType = FieldType.UNSPECIFIED
    """For conditions: the type it was compared as."""
    values: tuple[Plain, ...] = ()
    """For conditions: what it was compared with."""
    seen: object = None
    """For conditions: what the context has, as it is; None where it has nothing."""


@dataclass(frozen=True, slots=True)
class LayerExplanation:
    """What one layer did. What comes after the step at which it was skipped is not set."""

    layer_id: str
    priority: int
    outcome: Outcome
    detail: str
    """The outcome in words."""
    hash_key: str
    key: str = ""
    """The text that was hashed."""
    slot: int = -1
    """The slot of the key, or -1."""
    start: int = 0
    """Of the range that the slot lies in; like end 0 if in none."""
    end: int = 0
    eid: int = 0
    vid: int = 0
    rule: RuleExplanation | None = None
    """None where the experiment has none."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a service's parameters came about."""

    result: Result
    """What evaluate returns."""
    layers: tuple[LayerExplanation, ...] = ()
    """All layers that have a variant of the service, in order of evaluation."""
    parameters: tuple[ParameterExplanation, ...] = ()
    """The decided paths, in order."""
    truncated: bool = False
    """Parameters are not all, as their paths are longer than MAX_PATH_BYTES."""


def explain(
    service: Service,
    inputs: Inputs,
    only: Collection[str] | None,
    result_of: Callable[[list[Linked], Inputs], Result],
) -> Explanation:
    """Explain what a service gets. Only takes the layers that a request names, None for all."""
    linked: list[Linked] = []
    layers: list[LayerExplanation] = []
    for layer in service.layers:
        decision: Decision = (Outcome.NOT_REQUESTED, -1, None)
        if only is None or layer.id in only:
            decision = decide(layer, service.name, inputs)
        outcome, _, found = decision
        if outcome == Outcome.MATCHED and found is not None:
            linked.append(found)
        layers.append(_explain_layer(layer, decision, inputs))
    if not linked:
        return Explanation(NOTHING, tuple(layers))
    trace = _Trace(linked)
    return Explanation(
        result_of(linked, inputs), tuple(layers), trace.explanations(), trace.truncated
    )


def _explain_layer(layer: Layer, decision: Decision, inputs: Inputs) -> LayerExplanation:
    outcome, slot, found = decision
    key, rule = "", None
    start = end = eid = vid = 0
    if outcome == Outcome.DISABLED:
        detail = "the layer is disabled"
    elif outcome == Outcome.NOT_REQUESTED:
        detail = "the request names other layers"
    elif outcome == Outcome.NO_KEY:
        detail = _no_key_detail(layer.hash_key, inputs.raw(layer.hash_key))
    else:
        key = (inputs.hashed[layer.hash_key] or b"").decode()
        detail = f"slot {slot} is in no range"
    if found is not None:
        start, end = next((r.start, r.end) for r in layer.ranges if r.start <= slot < r.end)
        eid, vid = found.experiment.eid, found.match.vid
        detail = f"slot {slot} is in [{start}, {end})"
        if outcome == Outcome.OTHER_SERVICE:
            detail = f"slot {slot} belongs to service {found.service}"
        elif found.experiment.rule is not None:
            rule = _explain_rule(found.experiment.rule, inputs)
            if outcome == Outcome.RULE_FALSE:
                detail = f"the rule of experiment {eid} is {rule.truth.name}"
                if rule.truth == Truth.UNKNOWN:
                    outcome = Outcome.RULE_UNKNOWN
    return LayerExplanation(
        layer_id=layer.id,
        priority=layer.priority,
        outcome=outcome,
        detail=detail,
        hash_key=layer.hash_key,
        key=key,
        slot=slot,
        start=start,
        end=end,
        eid=eid,
        vid=vid,
        rule=rule,
    )


def _no_key_detail(name: str, value: object) -> str:
    if value is ABSENT:
        return f"the context has no {name}"
    why = "only strings and whole numbers can be hashed"
    known = plain(value)
    what = "null" if value is None else "a value of another type"
    if known is not None:
        what = clip(value_text(known))
    if type(known) is str:
        why = "the empty string is not hashed"
    elif type(known) is float and known != known // 1:
        why = "numbers with a fraction are not hashed"
    elif type(known) is float or (known is None and issubclass(type(value), int)):
        what = what if known is not None else "a very large number"
        why = (
            "whole numbers beyond 2^53 - 1 are not hashed, since readers round them "
            "differently: send the id as a string"
        )
    return f"{name} is {what}: {why}"


def _explain_rule(node: RuleNode, inputs: Inputs) -> RuleExplanation:
    truth = node.truth(inputs)
    children = tuple(_explain_rule(child, inputs) for child in node.children)
    c = node.condition
    if c is None:
        return RuleExplanation(node.op, truth, children)
    seen = inputs.raw(c.field)
    return RuleExplanation(
        *(node.op, truth, children, c.field, c.type, tuple(c.values)),
        None if seen is ABSENT else seen,
    )


class _Trace:
    """Records where each value of a merge came from, and what it hid."""

    def __init__(self, linked: Sequence[Linked]) -> None:
        self._linked = linked
        self._found: dict[str, ParameterExplanation] = {}
        self._bytes = 0
        self.truncated = False
        self._walk([(i, match.params) for i, match in enumerate(linked)])

    def explanations(self) -> tuple[ParameterExplanation, ...]:
        return tuple(self._found[path] for path in sorted(self._found))

    def _walk(self, contributors: Sequence[tuple[int, Params]]) -> None:
        open_objects: list[tuple[str, Iterator[tuple[str, Slot]]]] = [
            ("", iter(collect(contributors).items()))
        ]
        while open_objects and not self.truncated:
            above, slots = open_objects[-1]
            for key, slot in slots:
                path = f"{above}/{key.replace('~', '~0').replace('/', '~1')}"
                objects = slot.objects()
                # An object that stays empty is a value of its own.
                if slot.hidden or not any(params.members for _, params in objects):
                    self._keep(path, slot)
                if objects:
                    open_objects.append((path, iter(collect(objects).items())))
                    break
            else:
                open_objects.pop()

    def _keep(self, path: str, slot: Slot) -> None:
        self._bytes += byte_length(path)
        if self._bytes > MAX_PATH_BYTES:
            self.truncated = True
            return
        winner = self._contribution(slot.match, slot.owner, slot.member)
        hidden = tuple(self._contribution(*below) for below in slot.hidden)
        self._found[path] = ParameterExplanation(path, winner, hidden)

    def _contribution(self, match: int, owner: Params, member: Member) -> Contribution:
        m = self._linked[match].match
        return Contribution(m.layer_id, m.eid, m.vid, owner.text[member.value : member.end])
