"""Whether a layer matches."""

from __future__ import annotations

from bisect import bisect_right
from enum import IntEnum
from typing import TypeAlias

from xxhash import xxh64_intdigest

from .bucket import SLOTS
from .inputs import Inputs
from .resources import Layer, Linked
from .rule import run


class Outcome(IntEnum):
    """What came of a layer in one evaluation, as numbered in strata.serving.v1.LayerOutcome."""

    MATCHED = 1
    """The variant's parameters take part."""
    DISABLED = 2
    """The layer is not enabled."""
    NOT_REQUESTED = 3
    """The request names layers, and not this one."""
    NO_KEY = 4
    """The context has no value that can be hashed."""
    FREE_SLOT = 5
    """The slot lies in no range."""
    OTHER_SERVICE = 6
    """The variant belongs to another service."""
    RULE_FALSE = 7
    """The experiment's rule is FALSE."""
    RULE_UNKNOWN = 8
    """The experiment's rule is UNKNOWN."""


MATCHED = Outcome.MATCHED
# To get a member from its class takes as long as a rule.
_DISABLED = Outcome.DISABLED
_NO_KEY = Outcome.NO_KEY
_FREE_SLOT = Outcome.FREE_SLOT
_OTHER_SERVICE = Outcome.OTHER_SERVICE
_RULE_FALSE = Outcome.RULE_FALSE

Decision: TypeAlias = tuple[Outcome, int, Linked | None]
"""The outcome, the slot (-1 where there is no key), and what was found for the slot.

RULE_FALSE stands for RULE_UNKNOWN too, as an evaluation need not know.
"""


def decide(layer: Layer, service: str, inputs: Inputs) -> Decision:
    """Find out whether a layer matches for a service.

    It is the one place where that is decided, for evaluations and explanations alike.
    """
    if not layer.enabled:
        return _DISABLED, -1, None
    key = inputs.hashed[layer.hash_key]
    if key is None:
        return _NO_KEY, -1, None
    slot = xxh64_intdigest(layer.salt + key) % SLOTS
    found = layer.found[bisect_right(layer.ends, slot)]
    if found is None:
        return _FREE_SLOT, slot, None
    if found.service != service:
        return _OTHER_SERVICE, slot, found
    if found.program is not None and not run(found.program, inputs):
        return _RULE_FALSE, slot, found
    return MATCHED, slot, found
