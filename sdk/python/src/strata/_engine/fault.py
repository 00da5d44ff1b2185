"""Why a configuration is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from .value import byte_length, is_utf8

MAX_NAME_BYTES = 256
"""How long ids, salts and the names of services and fields may be."""

MAX_FAULTS = 1000
"""How many faults are listed.

A hostile file has room for millions, and nobody reads the thousandth.
"""


class Kind(StrEnum):
    """A kind of resource in a configuration."""

    LAYER = "layer"
    EXPERIMENT = "experiment"
    FIELD = "field"


class Reason(IntEnum):
    """A kind of fault."""

    INVALID_VALUE = 0
    """A value is missing, out of range or too long."""
    RANGES_OVERLAP = 1
    """Two ranges of a layer have a slot."""
    IN_TWO_LAYERS = 2
    """Variants of an experiment stand in two layers."""
    UNKNOWN_VARIANT = 3
    """A range names a vid that no experiment has."""
    ID_TAKEN = 4
    """An id stands twice."""
    WRONG_SERVICE = 5
    """A variant stands in a layer of another service."""
    INVALID_RULE = 6
    """A rule is malformed."""
    INVALID_PARAMS = 7
    """Parameters are malformed."""
    PARAMS_TOO_LARGE = 8
    """Parameters are longer than they may be."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason why a configuration is refused."""

    reason: Reason
    """What kind of fault it is, for programs."""
    kind: Kind
    """The kind of the resource at fault."""
    id: str
    """Its id; empty if it has none."""
    index: int
    """Its place in the list that it was given in."""
    path: str
    """Leads from the resource to the value at fault, such as "ranges[1].end".

    It is empty where the resource as a whole is at fault.
    """
    problem: str
    """What is wrong there, and what would be right."""

    def __str__(self) -> str:
        who = self.id or f"at index {self.index}"
        where = f"{self.path}: " if self.path else ""
        return f"{self.kind} {who}: {where}{self.problem}"


class Faults(Exception):
    """A configuration is refused: every fault found, but of more than a thousand only the first."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = tuple(faults)
        """At least one."""

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))


@dataclass(frozen=True, slots=True)
class Report:
    """Collects the faults of one resource."""

    faults: list[Fault]
    kind: Kind
    id: str
    index: int
    reason: Reason = Reason.INVALID_VALUE

    def of(self, reason: Reason) -> Report:
        """Return a report of faults of another kind."""
        return replace(self, reason=reason)

    def fault(self, path: str, problem: str) -> None:
        n = len(self.faults)
        if n > MAX_FAULTS:
            return
        if n == MAX_FAULTS:
            path = ""
            problem = (
                "has a fault that is not listed, and so may others: "
                f"only the first {MAX_FAULTS} are"
            )
        self.faults.append(Fault(self.reason, self.kind, self.id, self.index, path, problem))

    def name(self, path: str, name: str) -> None:
        """Check an id, or the name of a service or field."""
        if name == "":
            self.fault(path, "is missing")
        elif (size := byte_length(name)) > MAX_NAME_BYTES:
            self.fault(path, f"is {size} bytes long, at most {MAX_NAME_BYTES} are allowed")
        elif not is_utf8(name):
            self.fault(path, "is not valid UTF-8")
