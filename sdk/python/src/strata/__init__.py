"""Strata: layered A/B experiments, evaluated in the process.

    import strata

    client = strata.Client(url="http://localhost:8080")
    client.ready(timeout=5)
    evaluation = client.evaluate("ranker_svc", {"user_id": "user_12345", "country": "US"})
    model = evaluation.get_string("model.version", "v1")

A client holds a copy of an environment's configuration, follows it as it changes, and
goes on with what it has whatever happens to the servers.
"""

from strata._async import AsyncClient
from strata._client import Client
from strata._engine import Explanation
from strata._evaluation import Context, Evaluation, Parameter
from strata._event import Event
from strata._status import Change, Status

__all__ = [
    "AsyncClient",
    "Change",
    "Client",
    "Context",
    "Evaluation",
    "Event",
    "Explanation",
    "Parameter",
    "Status",
]
