"""Runs the engine over vectors that sdk/conformance has prepared.

    conformance.py FILE

It prints how many cases passed and how many failed, names what failed on stderr, and
exits with 1 if any did. It exits with 2 if it can not read the file, or does not know
a list or a name in it.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

import xxhash

from strata._engine import Ruleset, key_text, slot
from strata._gen.strata.config.v1.config_pb import Snapshot


class Mismatch(Exception):
    """The engine answers something else."""


class UnknownError(Exception):
    """The file has what this runner does not know."""


def same(what: str, got: object, want: object) -> None:
    # 1, 1.0 and True are one to ==.
    if json.dumps(got, sort_keys=True) != json.dumps(want, sort_keys=True):
        raise Mismatch(f"{what}: got {got!r}, want {want!r}")


def ruleset(case: dict[str, Any]) -> Ruleset:
    return Ruleset.compile(None, Snapshot.from_binary(base64.b64decode(case["snapshot"])))


def check_hash(case: dict[str, Any]) -> None:
    same("hash", f"{xxhash.xxh64_intdigest(case['input'].encode()):016x}", case["hash"])


def check_slot(case: dict[str, Any]) -> None:
    same("slot", slot(case["salt"], case["key"]), case["slot"])


def check_key(case: dict[str, Any]) -> None:
    same("key", key_text(case.get("value")), case.get("key"))


def check_rule(case: dict[str, Any]) -> None:
    rules = ruleset(case)
    explained = rules.explain("s", case["context"]).layers[0].rule
    if explained is None:
        raise Mismatch("there is no rule")
    same("truth", f"TRUTH_{explained.truth.name}", case["truth"])
    # An evaluation only asks whether the rule is TRUE.
    matched = rules.evaluate("s", case["context"]).vids != ()
    same("matched", matched, case["truth"] == "TRUTH_TRUE")


def check_case(case: dict[str, Any]) -> None:
    rules = ruleset(case)
    request = case["request"]
    if others := set(case["results"]) - set(request["services"]):
        raise Mismatch(f"results name {others}, which the request does not")
    for service in request["services"]:
        want = case["results"].get(service, {})
        got = rules.evaluate(service, request["context"], request["layers"])
        same(f"{service}: vids", list(got.vids), want.get("vids", []))
        layers = want.get("matched_layers", [])
        same(f"{service}: matched_layers", list(got.matched_layers), layers)
        parameters = whole(want.get("parameters", {}))
        same(f"{service}: parameters", whole(json.loads(got.parameters)), parameters)


def check_read(case: dict[str, Any]) -> None:
    rules = ruleset(case)
    service, context, path = case["service"], case["context"], case["path"]
    result = rules.evaluate(service, context)
    reading = result.read(path)
    same("found", reading.found, "value" in case)
    same("value", whole(reading.value), whole(case.get("value")))
    same("known", rules.knows(service, path), case["known"])
    winner = result.matches[reading.winner].layer_id if reading.winner >= 0 else ""
    same("winner", winner, case["winner"])
    exposures = [
        {
            "layer_id": m.layer_id,
            "eid": m.eid,
            "vid": m.vid,
            "slot": slot(m.salt, result.key(m.hash_key) or ""),
            "hidden": i in reading.hidden,
        }
        for i, m in enumerate(result.matches)
        if i in reading.exposed or i in reading.hidden
    ]
    same("exposures", exposures, case["exposures"])


def whole(value: Any) -> Any:
    """Return a JSON value in which numbers without fraction are ints, however written."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, float) and value == value // 1 and abs(value) < 2**53:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return float(value)
    return value


Check = Callable[[dict[str, Any]], None]

LISTS: dict[str, tuple[Check, set[str]]] = {
    "hashes": (check_hash, {"name", "input", "hash"}),
    "slots": (check_slot, {"name", "salt", "key", "slot"}),
    "keys": (check_key, {"name", "value", "key"}),
    "rules": (check_rule, {"name", "snapshot", "context", "truth"}),
    "cases": (check_case, {"name", "snapshot", "request", "results"}),
    "reads": (
        check_read,
        {"name", "snapshot", "service", "context", "path", "value", "known", "winner", "exposures"},
    ),
}


def load(path: str) -> list[tuple[Check, dict[str, Any]]]:
    with open(path, encoding="utf-8") as file:
        suite = json.load(file)
    cases = []
    for name, entries in suite.items():
        if name not in LISTS:
            raise UnknownError(f"an unknown list: {name}")
        check, known = LISTS[name]
        for case in entries:
            if unknown := set(case) - known:
                raise UnknownError(f"{name}: {case.get('name')}: unknown: {sorted(unknown)}")
            cases.append((check, case))
    return cases


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        cases = load(arguments[0])
    except (OSError, ValueError, AttributeError, TypeError, UnknownError) as e:
        print(f"python: {arguments[0]}: {e}", file=sys.stderr)
        return 2
    failed = 0
    for check, case in cases:
        try:
            check(case)
        except Exception as e:
            failed += 1
            print(f"python: {case['name']}: {type(e).__name__}: {e}", file=sys.stderr)
    print(f"python: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
