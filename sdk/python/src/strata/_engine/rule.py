"""Rules: three-valued logic, run as two-valued programs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, TypeAlias

from strata._gen.strata.config.v1.config_pb import FieldType, Operator

from .like import Pattern
from .semver import Version, parse_version
from .value import Plain


class Truth(IntEnum):
    """A value of Kleene's three-valued logic, as numbered in strata.serving.v1.Truth.

    UNKNOWN is what a condition comes to where its field is absent, null, or of
    another type.
    """

    FALSE = 1
    UNKNOWN = 2
    TRUE = 3


Test: TypeAlias = Callable[[Plain | None], bool]
"""Reports whether a condition comes to what is wanted for a value."""

Program: TypeAlias = tuple[tuple[str, Test, int, int], ...]
"""Decides whether a rule is TRUE (or FALSE, if it was made for that).

Each step tests the value of a field and says where to go on if the test holds, and
if not. Three-valued logic needs no third value here, because negations are pushed
down to the conditions: an and is TRUE if all children are TRUE and FALSE if any
child is FALSE, and the other way round for an or, whatever is UNKNOWN.
"""

_ACCEPT = -1
_REFUSE = -2


def run(program: Program, inputs: Mapping[str, Plain | None]) -> bool:
    """Report whether the rule comes to what the program was made for.

    It takes at most one test for each condition of the rule.
    """
    at = 0
    while at >= 0:
        field, test, yes, no = program[at]
        at = yes if test(inputs[field]) else no
    return at == _ACCEPT


class Condition:
    """Compares a context field with values."""

    __slots__ = ("field", "op", "type", "values", "versions")

    def __init__(self, field: str, op: Operator) -> None:
        self.field = field
        self.op = op
        self.type = FieldType.UNSPECIFIED
        self.values: list[Plain] = []
        """As written; for numbers and strings also what is compared with."""
        self.versions: list[Version] = []
        """Of a semver condition: what is compared with."""

    def test(self, wanted: Truth) -> Test:
        """Return a test of whether the condition comes to TRUE or to FALSE."""
        op = self.op if wanted == Truth.TRUE else _OPPOSITES[self.op]
        match self.type:
            case FieldType.STRING:
                return _test_text(op, self.values)
            case FieldType.SEMVER:
                return _test_version(op, self.versions)
            case FieldType.BOOL:
                return _test_bool(op, self.values)
            case FieldType.INT:
                return _test_int(op, self.values)
            case _:
                return _test_float(op, self.values)


_OPPOSITES = {
    Operator.EQ: Operator.NEQ,
    Operator.NEQ: Operator.EQ,
    Operator.GT: Operator.LTE,
    Operator.LTE: Operator.GT,
    Operator.LT: Operator.GTE,
    Operator.GTE: Operator.LT,
    Operator.IN: Operator.NOT_IN,
    Operator.NOT_IN: Operator.IN,
    Operator.LIKE: Operator.NOT_LIKE,
    Operator.NOT_LIKE: Operator.LIKE,
}

_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NEQ: operator.ne,
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
}

# In the tests below a value is Plain, of these types themselves, so that the order
# of strings is that of code points and 1 is not True. A string equals nothing but a
# string; numbers need a look at the type, as True equals 1.


def _test_text(op: Operator, values: list[Plain]) -> Test:
    if op == Operator.IN:
        among = frozenset(values)
        return lambda v: v in among
    if op == Operator.NOT_IN:
        among = frozenset(values)
        return lambda v: type(v) is str and v not in among
    if op in (Operator.LIKE, Operator.NOT_LIKE):
        match = Pattern(str(values[0])).match
        if op == Operator.LIKE:
            return lambda v: type(v) is str and match(v)
        return lambda v: type(v) is str and not match(v)
    text = values[0]
    if op == Operator.EQ:
        return lambda v: v == text
    compare = _COMPARE[op]
    return lambda v: type(v) is str and compare(v, text)


def _test_int(op: Operator, values: list[Plain]) -> Test:
    if op in (Operator.IN, Operator.NOT_IN):
        among, wanted = frozenset(values), op == Operator.IN
        return lambda v: type(v) is int and (v in among) is wanted
    compare, number = _COMPARE[op], values[0]
    return lambda v: type(v) is int and compare(v, number)


def _test_float(op: Operator, values: list[Plain]) -> Test:
    if op in (Operator.IN, Operator.NOT_IN):
        among, wanted = frozenset(values), op == Operator.IN
        return lambda v: (type(v) is int or type(v) is float) and (v in among) is wanted
    compare, number = _COMPARE[op], values[0]
    return lambda v: (type(v) is int or type(v) is float) and compare(v, number)


def _test_bool(op: Operator, values: list[Plain]) -> Test:
    holds = op in (Operator.EQ, Operator.IN)
    among = frozenset(b for b in (False, True) if (b in values) is holds)
    return lambda v: type(v) is bool and v in among


def _test_version(op: Operator, versions: list[Version]) -> Test:
    if op in (Operator.IN, Operator.NOT_IN):
        among, wanted = frozenset(versions), op == Operator.IN
        return lambda v: (
            type(v) is str
            and (found := parse_version(v)) is not None
            and (found in among) is wanted
        )
    compare, version = _COMPARE[op], versions[0]
    return lambda v: (
        type(v) is str and (found := parse_version(v)) is not None and compare(found, version)
    )


class RuleNode:
    """A node of a rule tree as it was written.

    Explanations walk the tree; evaluations run the program that is made of it.
    """

    __slots__ = ("children", "condition", "op")

    def __init__(self, op: Operator) -> None:
        self.op = op
        self.children: list[RuleNode] = []
        self.condition: Condition | None = None

    def truth(self, inputs: Mapping[str, Plain | None]) -> Truth:
        """Evaluate one node by running the programs made of it.

        That is the way in which a whole rule is evaluated, so an explanation can not
        contradict an evaluation.
        """
        for wanted in (Truth.TRUE, Truth.FALSE):
            if run(new_program(self, wanted), inputs):
                return wanted
        return Truth.UNKNOWN

    def uses(self, fields: set[str]) -> bool:
        """Report whether the rule has a condition on one of some fields."""
        if self.condition is not None and self.condition.field in fields:
            return True
        return any(child.uses(fields) for child in self.children)


def new_program(root: RuleNode, wanted: Truth) -> Program:
    """Return the program that decides whether a rule without faults comes to what is wanted."""
    steps: list[tuple[str, Test, int, int]] = []
    _emit(steps, root, wanted, _ACCEPT, _REFUSE)
    # Steps were made from the last to the first, as each must know the next.
    last = len(steps) - 1
    return tuple(
        (field, test, yes if yes < 0 else last - yes, no if no < 0 else last - no)
        for field, test, yes, no in reversed(steps)
    )


def _emit(
    steps: list[tuple[str, Test, int, int]], node: RuleNode, wanted: Truth, yes: int, no: int
) -> int:
    """Add the steps that decide whether a node comes to what is wanted.

    Return the first of them.
    """
    if node.condition is not None:
        steps.append((node.condition.field, node.condition.test(wanted), yes, no))
        return len(steps) - 1
    if node.op == Operator.NOT:
        opposite = Truth.FALSE if wanted == Truth.TRUE else Truth.TRUE
        return _emit(steps, node.children[0], opposite, yes, no)
    if (node.op == Operator.AND) == (wanted == Truth.TRUE):
        following = yes
        for child in reversed(node.children):
            following = _emit(steps, child, wanted, following, no)
    else:
        following = no
        for child in reversed(node.children):
            following = _emit(steps, child, wanted, yes, following)
    return following
