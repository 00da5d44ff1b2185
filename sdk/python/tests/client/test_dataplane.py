"""Clients against the real data plane."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
from conftest import Connect
from support import (
    FAST,
    SERVICE,
    BufferingProxy,
    Changed,
    Owner,
    Plane,
    color_of,
    until,
)

from strata._accesskey import Signer


def test_a_configuration_comes_and_changes(plane: Plane, owner: Owner, connect: Connect) -> None:
    client = connect(plane.url, secret_key=owner.secret)
    client.ready(timeout=20)
    assert color_of(client) == "red"
    assert client.status().state == "READY"
    changed = Changed(client)
    before = client.status().revision
    plane.publish("blue")
    changed.until_color("blue")
    after = client.status()
    assert (after.state, after.error, after.faults) == ("READY", "", ())
    assert after.revision > before
    assert after.epoch > 0
    assert after.stale_for < 20


def test_a_change_tells_what_changed(plane: Plane, owner: Owner, connect: Connect) -> None:
    client = connect(plane.url, secret_key=owner.secret)
    client.ready(timeout=20)
    changed = Changed(client)
    plane.publish("blue")
    change = changed.seen.get(timeout=20)
    assert change.keys == (f"{SERVICE}.color",)
    assert (change.state_before, change.state_after) == ("READY", "READY")
    assert change.revision_after > change.revision_before > 0


def test_a_key_that_is_refused(plane: Plane, connect: Connect) -> None:
    client = connect(plane.url, secret_key=Owner().secret)
    until(client, lambda: "unauthenticated" in client._core.held.known.error)
    with pytest.raises(TimeoutError, match="unauthenticated"):
        client.ready(timeout=0)
    status = client.status()
    assert status.state == "NOT_READY"
    assert color_of(client) == "none"


def test_no_key(plane: Plane, connect: Connect) -> None:
    client = connect(plane.url)
    until(client, lambda: "unauthenticated" in client._core.held.known.error)


def test_another_audience(plane: Plane, owner: Owner, connect: Connect) -> None:
    client = connect(plane.url, secret_key=owner.secret, audience="control-plane")
    until(client, lambda: "unauthenticated" in client._core.held.known.error)


def test_a_clock_that_is_wrong(
    plane: Plane, owner: Owner, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signer.__init__, "__defaults__", (lambda: time.time() - 7200,))
    client = connect(plane.url, secret_key=owner.secret)
    client.ready(timeout=20)
    signer = client._core._server.signer
    assert signer is not None
    assert 7100 < signer._offset < 7300


def test_a_server_that_dies_and_comes_back(plane: Plane, owner: Owner, connect: Connect) -> None:
    client = connect(plane.url, secret_key=owner.secret)
    client.ready(timeout=20)
    changed = Changed(client)
    plane.kill()
    changed.until_state("STALE")
    assert color_of(client) == "red"
    assert client.status().error
    plane.publish("blue")
    plane.start()
    changed.until_color("blue")
    changed.until_state("READY")


def test_a_start_with_everything_down(
    plane: Plane, owner: Owner, connect: Connect, tmp_path: Path
) -> None:
    settings = {"secret_key": owner.secret, "cache_dir": tmp_path / "cache"}
    client = connect(plane.url, **settings)
    client.ready(timeout=20)
    revision = client.status().revision
    client.close()
    plane.kill()
    again = connect(plane.url, **settings)
    again.ready(timeout=0)
    assert color_of(again) == "red"
    assert again.status().state == "STALE"
    assert again.status().revision == revision
    changed = Changed(again)
    plane.publish("blue")
    plane.start()
    changed.until_color("blue")
    changed.until_state("READY")


def test_services_that_are_followed_alone(plane: Plane, owner: Owner, connect: Connect) -> None:
    client = connect(plane.url, secret_key=owner.secret, services=["other"])
    client.ready(timeout=20)
    evaluation = client.evaluate(SERVICE, {"user_id": "u"})
    assert evaluation.lookup("color").error == "NOT_FOUND"


def test_a_proxy_that_buffers(plane: Plane, owner: Owner, connect: Connect) -> None:
    proxy = BufferingProxy(plane.port)
    timers = dataclasses.replace(FAST.timers, hello=0.5, watch_again=60)
    client = connect(
        proxy.url, times=dataclasses.replace(FAST, timers=timers), secret_key=owner.secret
    )
    client.ready(timeout=20)
    changed = Changed(client)
    plane.publish("blue")
    changed.until_color("blue")
    link = client._core.held.known.link
    assert link is not None
    assert link.stream == ""
    client.close()
    proxy.close()
