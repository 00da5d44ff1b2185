"""An application that is loaded before workers are forked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import strata

client = strata.Client()
client.ready(timeout=20)


def app(
    environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], Any]
) -> Iterable[bytes]:
    user = environ["QUERY_STRING"]
    color = client.evaluate("shop", {"user_id": user}).get_string("color", "none")
    start("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [f"{os.getpid()} {client.status().state} {color}".encode()]
