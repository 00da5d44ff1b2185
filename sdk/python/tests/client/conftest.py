from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import support

from strata._client import Client


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes from the environment of whoever runs the tests."""
    for name in ("URL", "ACCESS_KEY", "SECRET_KEY", "ENVIRONMENT", "CACHE_DIR"):
        monkeypatch.delenv("STRATA_" + name, raising=False)
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[support.Server]:
    started = support.Server()
    yield started
    started.close()


@pytest.fixture
def owner() -> support.Owner:
    return support.Owner()


@pytest.fixture
def plane(tmp_path: Path, owner: support.Owner) -> Iterator[support.Plane]:
    support.build()
    folder = tmp_path / "plane"
    folder.mkdir()
    started = support.Plane(folder, owner)
    started.publish("red")
    started.start()
    yield started
    started.kill()


Connect = Callable[..., Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients, and closes them."""
    clients: list[Client] = []

    def make(url: str, **settings: Any) -> Client:
        client = support.new_client(url, **settings)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
