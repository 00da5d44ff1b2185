"""Answers which parameters a user gets: docs/semantics.md in Python.

Ruleset.compile turns a configuration into a Ruleset once; evaluate and explain then
answer forever, from any number of threads. A Ruleset never changes; a new revision is
a new Ruleset that shares with the old one whatever did not change.

The package refuses to know about anything else: there is no clock, network, file or
thread in it, and no configuration or context can make an evaluation raise.

A reader may want the files in this order: bucket.py (from key to slot), value.py,
rule.py, params.py, merge.py, decide.py, ruleset.py (an evaluation), result.py (what is
read from it), compile.py and link.py (how a Ruleset is made), explain.py.
"""

from .bucket import SLOTS, key_text, slot
from .decide import Outcome
from .explain import (
    Contribution,
    Explanation,
    LayerExplanation,
    ParameterExplanation,
    RuleExplanation,
)
from .fault import Fault, Faults, Kind, Reason
from .inputs import key_of
from .link import Change
from .path import join_path, parse_path
from .result import Match, Reading, Result
from .rule import Truth
from .ruleset import Ruleset, changed

__all__ = [
    "SLOTS",
    "Change",
    "Contribution",
    "Explanation",
    "Fault",
    "Faults",
    "Kind",
    "LayerExplanation",
    "Match",
    "Outcome",
    "ParameterExplanation",
    "Reading",
    "Reason",
    "Result",
    "RuleExplanation",
    "Ruleset",
    "Truth",
    "changed",
    "join_path",
    "key_of",
    "key_text",
    "parse_path",
    "slot",
]
