"""How single resources are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from strata._gen.strata.config.v1 import config_pb as pb
from strata._gen.strata.config.v1.config_pb import FieldType, Operator

from .bucket import SLOTS
from .fault import Fault, Kind, Reason, Report
from .number import is_safe_integer, number_text, string_text
from .params import Params, ParamsError, join_place, parse_params
from .resources import Experiment, Field, Layer, SlotRange, Variant
from .rule import Condition, RuleNode, Truth, new_program
from .semver import parse_version
from .value import Plain, byte_length, clip, is_utf8

MAX_RANGES = SLOTS
"""How many ranges a layer may have."""
MAX_VARIANTS = 10_000
"""How many variants an experiment may have."""
MAX_RULE_DEPTH = 80
"""How deep a rule may be nested, a lone condition counted as 1."""
MAX_RULE_NODES = 10_000
"""How many nodes a rule may have."""
MAX_VALUES = 10_000
"""How many values a condition may have."""
MAX_VALUE_BYTES = 4096
"""How long each value may be."""


def eid_text(eid: int) -> str:
    """Return an eid as the id of a resource: empty for one that can not be."""
    return str(eid) if eid >= 1 else ""


def read_layer(faults: list[Fault], src: pb.Layer, index: int) -> Layer:
    """Compile what a layer says by itself."""
    report = Report(faults, Kind.LAYER, src.layer_id, index)
    report.name("layer_id", src.layer_id)
    report.name("hash_key", src.hash_key)
    report.name("salt", src.salt)
    if src.service:
        report.name("service", src.service)
    layer = Layer(src)
    if len(src.ranges) > MAX_RANGES:
        report.fault("ranges", f"are {len(src.ranges)}, at most {MAX_RANGES} are allowed")
        return layer
    for i, r in enumerate(src.ranges):
        if not 0 <= r.start < SLOTS:
            report.fault(f"ranges[{i}].start", f"is {r.start}, want 0 to {SLOTS - 1}")
        elif not r.start < r.end <= SLOTS:
            problem = f"is {r.end}, want {r.start + 1} to {SLOTS}: start is included, end is not"
            report.fault(f"ranges[{i}].end", problem)
        if r.vid < 1:
            report.fault(f"ranges[{i}].vid", f"is {r.vid}, want at least 1")
    layer.ranges = sorted(map(SlotRange, src.ranges, range(MAX_RANGES)), key=lambda r: r.start)
    _find_overlaps(report.of(Reason.RANGES_OVERLAP), layer.ranges)
    return layer


def _find_overlaps(report: Report, ranges: Sequence[SlotRange]) -> None:
    widest: SlotRange | None = None
    for r in ranges:
        if widest is not None and r.start < widest.end and r.start < r.end:
            report.fault(
                f"ranges[{r.index}]",
                f"slots [{r.start}, {r.end}) overlap ranges[{widest.index}], "
                f"which has [{widest.start}, {widest.end})",
            )
        if widest is None or r.end > widest.end:
            widest = r


def read_experiment(
    faults: list[Fault], fields: Mapping[str, Field], src: pb.Experiment, index: int
) -> Experiment:
    """Compile what an experiment says by itself."""
    report = Report(faults, Kind.EXPERIMENT, eid_text(src.eid), index)
    if src.eid < 1:
        report.fault("eid", f"is {src.eid}, want at least 1")
    report.name("service", src.service)
    e = Experiment(src)
    if src.rule is not None:
        before = len(faults)
        e.rule = _RuleReader(report.of(Reason.INVALID_RULE), fields).read("rule", src.rule, 1)
        if len(faults) == before:
            e.program = new_program(e.rule, Truth.TRUE)
    if not src.variants:
        report.fault("variants", "are missing: want at least one")
    elif len(src.variants) > MAX_VARIANTS:
        report.fault("variants", f"are {len(src.variants)}, at most {MAX_VARIANTS} are allowed")
        return e
    for i, variant in enumerate(src.variants):
        if variant.vid < 1:
            report.fault(f"variants[{i}].vid", f"is {variant.vid}, want at least 1")
        try:
            params = parse_params(variant.params_json)
        except ParamsError as error:
            params = Params(0)
            for fault in error.faults:
                place = join_place(f"variants[{i}].params", fault.path)
                report.of(fault.reason).fault(place, fault.problem)
        e.variants.append(Variant(variant.vid, e, params))
    return e


def read_field(faults: list[Fault], src: pb.Field, index: int) -> Field:
    """Compile the declaration of a field."""
    report = Report(faults, Kind.FIELD, src.name, index)
    report.name("name", src.name)
    if FieldType.STRING <= src.type <= FieldType.SEMVER:
        return Field(src, src.type)
    report.fault("type", "is unknown, want string, int, float, bool or semver")
    return Field(src, FieldType.STRING)


class _RuleReader:
    """Reads one rule."""

    def __init__(self, report: Report, fields: Mapping[str, Field]) -> None:
        self._fault = report.fault
        self._name = report.name
        self._fields = fields
        self._nodes = 0

    def read(self, path: str, src: pb.Rule, depth: int) -> RuleNode:
        """Read a node and all below it. Where it reports a fault, the node is of no use."""
        node = RuleNode(src.op)
        self._nodes += 1
        if depth > MAX_RULE_DEPTH:
            self._fault(path, f"is nested deeper than {MAX_RULE_DEPTH} levels")
        elif self._nodes > MAX_RULE_NODES:
            if self._nodes == MAX_RULE_NODES + 1:
                self._fault("rule", f"has more than {MAX_RULE_NODES} nodes")
        elif not Operator.AND <= src.op <= Operator.NOT_LIKE:
            self._fault(path, "has an unknown operator")
        elif src.op <= Operator.NOT:
            node.children = self._children(path, src, depth)
        else:
            if src.children:
                self._fault(path, "is a condition and can have no children")
            node.condition = self._condition(path, src)
        return node

    def _children(self, path: str, src: pb.Rule, depth: int) -> list[RuleNode]:
        op, n = _name(src.op), len(src.children)
        if src.field or src.values:
            self._fault(path, f"is {op} and can have no field and no values")
        if src.op == Operator.NOT:
            if n != 1:
                self._fault(path, f"is not and has {n} children, want exactly one")
            return [self.read(f"{path}.child", child, depth + 1) for child in src.children]
        if n == 0:
            self._fault(path, f"is {op} and has no children, want at least one")
        return [
            self.read(f"{path}.children[{i}]", child, depth + 1)
            for i, child in enumerate(src.children)
        ]

    def _condition(self, path: str, src: pb.Rule) -> Condition:
        self._name(f"{path}.field", src.field)
        c = Condition(src.field, src.op)
        op, n = _name(src.op), len(src.values)
        if n == 0:
            self._fault(f"{path}.values", "are missing")
            return c
        if n > 1 and src.op not in (Operator.IN, Operator.NOT_IN):
            self._fault(f"{path}.values", f"are {n}, {op} takes exactly one")
            return c
        if n > MAX_VALUES:
            self._fault(f"{path}.values", f"are {n}, at most {MAX_VALUES} are allowed")
            return c
        declared = self._fields.get(src.field)
        c.type = declared.type if declared is not None else _infer_type(src.values)
        if c.type == FieldType.UNSPECIFIED:
            problem = "are of different types, and the field is not declared"
            self._fault(f"{path}.values", problem)
            return c
        ordered = Operator.GT <= src.op <= Operator.LTE
        pattern = src.op in (Operator.LIKE, Operator.NOT_LIKE)
        if (ordered and c.type == FieldType.BOOL) or (pattern and c.type != FieldType.STRING):
            problem = f"is {op}, which a {_name(c.type)} field can not be compared by"
            self._fault(f"{path}.op", problem)
            return c
        for i, value in enumerate(src.values):
            if problem := _add_value(c, value):
                self._fault(f"{path}.values[{i}]", problem)
        return c


def _name(value: Operator | FieldType) -> str:
    return value.name.lower()


def _infer_type(values: Sequence[pb.Value]) -> FieldType:
    """Return the type of an undeclared field, UNSPECIFIED for mixed values."""
    found = FieldType.UNSPECIFIED
    for value in values:
        match value.kind:
            case None:
                return FieldType.UNSPECIFIED
            case kind if kind.field == "string_value":
                typ = FieldType.STRING
            case kind if kind.field == "bool_value":
                typ = FieldType.BOOL
            case kind:
                typ = FieldType.INT if _safe(kind.value) else FieldType.FLOAT
        if found in (FieldType.UNSPECIFIED, typ):
            found = typ
        elif {found, typ} == {FieldType.INT, FieldType.FLOAT}:
            found = FieldType.FLOAT
        else:
            return FieldType.UNSPECIFIED
    return found


def _safe(number: object) -> bool:
    return isinstance(number, (int, float)) and isfinite(number) and is_safe_integer(number)


def _add_value(c: Condition, src: pb.Value) -> str:
    """Add a value to compare with, which must be of the condition's type.

    Return what is wrong with it.
    """
    kind, value = (src.kind.field, src.kind.value) if src.kind is not None else ("", None)
    if kind == "string_value":
        text = str(value)
        if (size := byte_length(text)) > MAX_VALUE_BYTES:
            return f"is {size} bytes long, at most {MAX_VALUE_BYTES} are allowed"
        if not is_utf8(text):
            return "is not valid UTF-8"
        if c.type == FieldType.STRING:
            c.values.append(text)
            return ""
        if c.type == FieldType.SEMVER and (version := parse_version(text)) is not None:
            c.values.append(text)
            c.versions.append(version)
            return ""
    elif kind == "bool_value":
        if c.type == FieldType.BOOL:
            c.values.append(bool(value))
            return ""
    elif isinstance(value, (int, float)) and isfinite(value):
        safe = is_safe_integer(value)
        if c.type == FieldType.FLOAT or (c.type == FieldType.INT and safe):
            c.values.append(int(value) if safe else float(value))
            return ""
    return f"is {clip(_value_text(value))}, which is no {_name(c.type)}"


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, (int, float)) and isfinite(value):
        return number_text(value)
    return "null"


def value_text(value: Plain) -> str:
    """Return a value as JSON text."""
    return _value_text(value)
