"""The workload of all benchmarks of SDKs: ten layers or features, each with a rule
that is true and two variants of half the users; a thousand users in turn."""

import statistics
import time
from collections.abc import Callable

LAYERS = range(10)
CONTEXTS = [{"user_id": f"user_{i}", "country": "US", "age": 25} for i in range(1000)]


def measure(name: str, evaluate: Callable[[dict[str, object]], object], users: int = len(CONTEXTS)) -> None:
    """Runs an evaluation of each user in turn, for some time, and prints the median
    of the rounds in nanoseconds an evaluation."""
    rounds: list[float] = []
    until = time.perf_counter() + 1.5
    while time.perf_counter() < until or len(rounds) < 5:
        start = time.perf_counter_ns()
        for context in CONTEXTS[:users]:
            evaluate(context)
        rounds.append((time.perf_counter_ns() - start) / users)
    print(f"python\t{name}\t{statistics.median(rounds[1:]):.0f}", flush=True)
