"""What others' SDKs for Python take for the workload that Strata's own benchmark
has: see ../README.md. Prints name, nanoseconds an evaluation, a line each."""

import json
import logging
import tempfile

import openfeature.api
from growthbook import GrowthBook
from measure import LAYERS, measure
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from UnleashClient import UnleashClient
from UnleashClient.cache import FileCache

logging.disable(logging.CRITICAL)

FEATURES = {
    f"layer_{i}": {
        "defaultValue": {f"value_{i}": 0},
        "rules": [
            {
                "condition": {"country": "US", "age": {"$gte": 18}},
                "hashAttribute": "user_id",
                "key": f"layer_{i}",
                "variations": [{f"value_{i}": 1}, {f"value_{i}": 2}],
                "weights": [0.5, 0.5],
            }
        ],
    }
    for i in LAYERS
}


def growthbook(context: dict[str, object]) -> None:
    client = GrowthBook(attributes=context, features=FEATURES)
    for i in LAYERS:
        if client.eval_feature(f"layer_{i}").source != "experiment":
            raise AssertionError("no experiment")


UNLEASH = {
    "version": 2,
    "features": [
        {
            "name": f"layer_{i}",
            "type": "experiment",
            "enabled": True,
            "stale": False,
            "impressionData": False,
            "strategies": [
                {
                    "name": "flexibleRollout",
                    "parameters": {"rollout": "100", "stickiness": "userId", "groupId": f"layer_{i}"},
                    "constraints": [
                        {"contextName": "country", "operator": "IN", "values": ["US"]},
                        {"contextName": "age", "operator": "NUM_GTE", "value": "18"},
                    ],
                }
            ],
            "variants": [
                {
                    "name": f"v{v}",
                    "weight": 500,
                    "weightType": "variable",
                    "stickiness": "userId",
                    "payload": {"type": "json", "value": json.dumps({f"value_{i}": v})},
                }
                for v in (1, 2)
            ],
        }
        for i in LAYERS
    ],
}


def unleash_client(folder: str) -> UnleashClient:
    cache = FileCache("bench", directory=folder)
    cache.bootstrap_from_dict(UNLEASH)
    client = UnleashClient(
        url="http://127.0.0.1:1/", app_name="bench", cache=cache, disable_metrics=True, disable_registration=True
    )
    client.initialize_client(fetch_toggles=False)
    return client


def main() -> None:
    measure("growthbook 4.0.0 GrowthBook, 10 features", growthbook)

    with tempfile.TemporaryDirectory() as folder:
        client = unleash_client(folder)

        def unleash(context: dict[str, object]) -> None:
            user = {"userId": context["user_id"], "properties": {"country": "US", "age": "25"}}
            for i in LAYERS:
                if not client.get_variant(f"layer_{i}", user)["enabled"]:
                    raise AssertionError("no variant")

        measure("UnleashClient 6.9.1 get_variant, 10 features", unleash)
        client.destroy()

    openfeature.api.set_provider(
        InMemoryProvider({f"layer_{i}": InMemoryFlag("on", {"on": {f"value_{i}": 1}}) for i in LAYERS})
    )
    api = openfeature.api.get_client()

    def static(context: dict[str, object]) -> None:
        user = EvaluationContext(str(context["user_id"]), context)
        for i in LAYERS:
            api.get_object_value(f"layer_{i}", {}, user)

    measure("openfeature-sdk 0.10.0 in-memory, 10 static objects", static)


main()
