"""Drives the Python SDK: see package sdks."""

import gc
import json
import logging
import os
import statistics
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from strata import Change, Client

lock = threading.Lock()


def say(what: str, value: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps({what: value}) + "\n")
        sys.stdout.flush()


def changed(change: Change) -> None:
    at = time.time_ns() // 1000
    say(
        "change",
        {"state": change.state_after, "revision": change.revision_after, "keys": list(change.keys), "at": at},
    )


def evaluate(client: Client, question: dict[str, Any]) -> dict[str, Any]:
    evaluation = client.evaluate(question["service"], question["context"])
    parameters = [asdict(evaluation.lookup(path)) for path in question["paths"]]
    return {"revision": parameters[-1]["revision"], "parameters": parameters}


def status(client: Client) -> dict[str, Any]:
    is_ = client.status()
    return {
        "state": is_.state,
        "revision": is_.revision,
        "stale_millis": int(is_.stale_for * 1000),
        "dropped": is_.dropped,
    }


def measure(client: Client, question: dict[str, Any]) -> dict[str, Any]:
    """Evaluates for each context in turn and reads the paths as integers. The time is
    the median of the rounds for one evaluation with its reads."""
    service, contexts, paths = question["service"], question["contexts"], question["paths"]
    rounds: list[float] = []
    until = time.perf_counter() + question["millis"] / 1000
    while len(rounds) < 5 or time.perf_counter() < until:
        start = time.perf_counter_ns()
        for context in contexts:
            evaluation = client.evaluate(service, context)
            for path in paths:
                if evaluation.get_int(path, -1) < 0:
                    raise AssertionError(f"no value at {path}")
        rounds.append((time.perf_counter_ns() - start) / len(contexts))
    gc.collect()
    return {"nanos": round(statistics.median(rounds[1:])), "memory": resident()}


def resident() -> int:
    """How much memory the process holds, in bytes."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    services = [s for s in os.environ.get("STRATA_SERVICES", "").split(",") if s]
    answers = {"evaluate": evaluate, "measure": measure, "status": lambda client, _: status(client)}
    with Client(services=services) as client:
        client.on_change(changed)
        for line in sys.stdin:
            question = json.loads(line)
            say("answer", answers[question["do"]](client, question))


main()
