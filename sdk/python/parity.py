"""Answers evaluations for a comparison with the other engines.

Each line of stdin is a configuration with requests, and each line of stdout the
answers; sdk/conformance says how they are written. Each configuration is compiled from
the one of the line before, too, so that what revisions share is part of what is
compared.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

from strata._engine import Faults, Ruleset, changed
from strata._gen.strata.config.v1.config_pb import Snapshot


def answer(rules: Ruleset, request: dict[str, Any]) -> list[Any]:
    service, context = request["service"], request["context"]
    layers = request.get("layers") or []
    result = rules.evaluate(service, context, layers)
    explained = rules.explain(service, context, layers)
    if explained.result.parameters != result.parameters or explained.result.vids != result.vids:
        raise AssertionError("explained something else than what was evaluated")
    readings = []
    for path in request.get("paths") or []:
        r = result.read(path)
        known = rules.knows(service, path)
        readings.append([path, r.text, r.winner, r.exposed, r.hidden, known])
    return [
        result.parameters,
        result.vids,
        result.matched_layers,
        [[e.layer_id, e.outcome, e.slot, e.vid] for e in explained.layers],
        readings,
    ]


def compiled(previous: Ruleset | None, snapshot: bytes) -> Ruleset | None:
    try:
        return Ruleset.compile(previous, Snapshot.from_binary(snapshot))
    except Faults:
        return None


def main() -> None:
    previous: Ruleset | None = None
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        snapshot = base64.b64decode(asked["snapshot"])
        rules = compiled(None, snapshot)
        shared = compiled(previous, snapshot)
        if rules is None or shared is None:
            if rules is not shared:
                raise AssertionError("what is refused depends on what was there before")
            answered: dict[str, Any] = {"refused": True}
        else:
            answers = [answer(shared, request) for request in asked["requests"]]
            if answers != [answer(rules, request) for request in asked["requests"]]:
                raise AssertionError("answers depend on what was there before")
            answered = {"answers": answers, "changed": changed(previous, shared)}
            previous = shared
        print(json.dumps(answered), flush=True)


if __name__ == "__main__":
    main()
