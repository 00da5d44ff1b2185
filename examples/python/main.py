"""Asks the SDK for a parameter of the demo and where it comes from.

With `make run` in another terminal:

    make sdk/python/.venv/.installed  # the SDK, in a virtual environment
    eval "$(bin/strata keys create example-python --role sdk --env demo)"
    sdk/python/.venv/bin/python examples/python/main.py

The second line sets STRATA_ACCESS_KEY and STRATA_SECRET_KEY, which the client takes.
"""

import os
import sys

import strata

url = os.environ.get("STRATA_URL", "http://localhost:8080")
environment = os.environ.get("STRATA_ENVIRONMENT", "demo")

with strata.Client(url=url, environment=environment) as client:  # its end sends the exposures
    try:
        client.ready(timeout=10)
    except TimeoutError as error:
        print(error, file=sys.stderr)  # and go on: there are the defaults
    user = {"user_id": "user_12345", "country": "US", "age": 25}
    evaluation = client.evaluate("ranker_svc", user)
    print("algorithm:", evaluation.get_string("algorithm", "baseline"))
    print("model.version:", evaluation.lookup("model.version"))
