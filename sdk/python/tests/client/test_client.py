"""The surface of a client: settings, states, reading."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from conftest import Connect
from protobuf import Oneof
from support import (
    FAST,
    PATIENCE,
    SERVICE,
    Changed,
    History,
    Owner,
    Server,
    color_of,
    entities,
    hello,
    until,
)

import strata
from strata import Client, Parameter
from strata._engine import slot
from strata._gen.strata.config.v1.config_pb import (
    Experiment,
    Layer,
    Operator,
    Range,
    Rule,
    Value,
    Variant,
)
from strata._gen.strata.config.v1.entity_pb import Entity, EntityKind

PARAMS = {
    "text": "t",
    "yes": True,
    "whole": 12,
    "part": 1.5,
    "huge": 1e300,
    "nothing": None,
    "list": [1, {"a": 2}],
    "model": {"version": "v2", "size": 3},
    "a.b": "dotted",
}


def test_names() -> None:
    assert strata.__all__ == sorted(strata.__all__)
    assert strata.__all__ == [
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
    public = {name for name in vars(strata) if not name.startswith("_")}
    assert public - {"openfeature"} == set(strata.__all__)  # a module, if it was imported


@pytest.fixture
def client(server: Server, connect: Connect) -> Client:
    history = History()
    puts = entities("unused")
    puts[1].payload = Experiment(
        eid=1, service=SERVICE, variants=[Variant(vid=10, params_json=json.dumps(PARAMS))]
    ).to_binary()
    country = Value(kind=Oneof[Literal["string_value"], str]("string_value", "US"))
    rule = Rule(op=Operator.EQ, field="country", values=[country])
    ruled = Experiment(
        eid=2,
        service=SERVICE,
        rule=rule,
        variants=[Variant(vid=20, params_json='{"ruled": 1, "other": 2}')],
    )
    layer = Layer(
        layer_id="ruled", priority=5, hash_key="user_id", salt="s", enabled=True,
        ranges=[Range(start=0, end=10000, vid=20)],
    )  # fmt: skip
    history.publish(
        [
            *puts,
            Entity(kind=EntityKind.EXPERIMENT, key="2", payload=ruled.to_binary()),
            Entity(kind=EntityKind.LAYER, key="ruled", payload=layer.to_binary()),
        ]
    )
    made = connect(server.url)
    server.watch().send(hello(30), history.full(), history.heartbeat())
    made.ready(PATIENCE)
    return made


USER = {"user_id": "ann", "country": "US"}


def test_reading(client: Client) -> None:
    e = client.evaluate(SERVICE, USER)
    assert e.get_string("text", "d") == "t"
    assert e.get_bool("yes", False) is True
    assert e.get_int("whole", 0) == 12
    assert e.get_float("part", 0.0) == 1.5
    assert e.get_float("huge", 0.0) == 1e300
    whole = e.get_float("whole", 0.0)
    assert (whole, type(whole)) == (12.0, float)
    assert e.get_string("model.version", "d") == "v2"
    assert e.get_string("a\\.b", "d") == "dotted"
    assert e.get_object("model", {}) == {"version": "v2", "size": 3}
    assert e.get_object("", {}) == {**PARAMS, "ruled": 1, "other": 2}
    assert e.revision == 1


@pytest.mark.parametrize(
    "path", ["yes", "whole", "part", "nothing", "list", "model", "none", "a.b"]
)
def test_what_is_no_string_is_the_default(client: Client, path: str) -> None:
    assert client.evaluate(SERVICE, USER).get_string(path, "d") == "d"


def test_what_is_of_another_type_is_the_default(client: Client) -> None:
    e = client.evaluate(SERVICE, USER)
    default = object()
    assert e.get_bool("whole", default) is default
    for path in ("yes", "part", "huge", "text", "none"):
        assert e.get_int(path, default) is default
    for path in ("yes", "text", "nothing", "none"):
        assert e.get_float(path, default) is default
    for path in ("list", "nothing", "text", "none"):
        assert e.get_object(path, default) is default


def test_what_is_read_is_the_callers_own(client: Client) -> None:
    e = client.evaluate(SERVICE, USER)
    e.get_object("model", {})["version"] = "mine"
    e.lookup("list").value[1]["a"] = "mine"
    assert e.get_object("model", {}) == {"version": "v2", "size": 3}
    assert e.lookup("list").value == [1, {"a": 2}]


def test_lookup(client: Client) -> None:
    e = client.evaluate(SERVICE, USER)
    plain = slot("salt", "ann")
    assert e.lookup("text") == Parameter("t", "SPLIT", "", "layer_1", 1, 10, plain, 1)
    assert e.lookup("ruled") == Parameter(
        1, "TARGETING_MATCH", "", "ruled", 2, 20, slot("s", "ann"), 1
    )
    assert e.lookup("nothing") == Parameter(None, "SPLIT", "", "layer_1", 1, 10, plain, 1)
    assert e.lookup("none") == Parameter(None, "ERROR", "NOT_FOUND", revision=1)
    assert e.lookup("").layer_id == "ruled"
    other = client.evaluate(SERVICE, {"user_id": "ann"})
    assert other.lookup("ruled") == Parameter(None, "DEFAULT", revision=1)
    unknown = client.evaluate("unknown", USER)
    assert unknown.lookup("") == Parameter(None, "ERROR", "NOT_FOUND", revision=1)
    assert unknown.get_object("", None) is None


class Hostile(Mapping[str, object]):
    def __getitem__(self, key: str) -> object:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


@pytest.mark.parametrize("context", [None, 7, "text", [("user_id", "ann")]])
def test_what_is_no_context(client: Client, context: Any) -> None:
    e = client.evaluate(SERVICE, context)
    assert e.lookup("text") == Parameter(None, "ERROR", "INVALID_CONTEXT", revision=1)
    assert e.get_string("text", "d") == "d"


def test_a_context_that_stands_for_nothing(client: Client) -> None:
    class Unbound:
        """Stands for another object, as what frameworks make lazily, and there is none."""

        @property  # type: ignore[misc]
        def __class__(self) -> Any:
            raise RuntimeError

    context: Any = Unbound()
    assert client.evaluate(SERVICE, context).lookup("text").error == "INVALID_CONTEXT"


@pytest.mark.parametrize(
    "context",
    [{}, {1: 2}, {"user_id": None}, {"user_id": "\ud800"}, {"user_id": Decimal(1)},
     {"user_id": 2**70}, {"user_id": float("nan")}, {"user_id": object()}, Hostile()],
)  # fmt: skip
def test_nothing_in_a_context_raises(client: Client, context: Any) -> None:
    e = client.evaluate(SERVICE, context)
    for path in ("text", "", "model", "none", "\ud800", "a" * 5000):
        e.get_string(path, "d")
        e.get_object(path, {})
        e.lookup(path)
    client.explain(SERVICE, context)


@pytest.mark.parametrize("path", [None, 7, ["text"], b"text"])
def test_what_is_no_path(client: Client, path: Any) -> None:
    e = client.evaluate(SERVICE, USER)
    assert e.get_string(path, "d") == "d"
    assert e.lookup(path).error == "NOT_FOUND"


@pytest.mark.parametrize("service", [None, 7, ["shop"], {}])
def test_what_is_no_service(client: Client, service: Any) -> None:
    assert client.evaluate(service, USER).lookup("text").error == "NOT_FOUND"
    assert client.explain(service, USER).layers == ()
    assert not client.knows(service, "text")
    assert not client.knows(SERVICE, service)


def test_explain(client: Client) -> None:
    explanation = client.explain(SERVICE, USER)
    assert [layer.layer_id for layer in explanation.layers] == ["ruled", "layer_1"]
    assert len(client._core.outbox) == 0


def test_before_there_is_a_configuration(server: Server, connect: Connect) -> None:
    client = connect(server.url)
    status = client.status()
    assert (status.state, status.epoch, status.revision) == ("NOT_READY", 0, 0)
    e = client.evaluate(SERVICE, USER)
    assert e.get_string("text", "d") == "d"
    assert e.lookup("text") == Parameter(None, "ERROR", "NOT_READY")
    assert client.explain(SERVICE, USER).layers == ()
    with pytest.raises(TimeoutError, match="there is no configuration from http"):
        client.ready(timeout=0.01)


def test_closing(server: Server, connect: Connect) -> None:
    history = History()
    history.publish(entities("red"))
    client = connect(server.url)
    server.watch().send(hello(30), history.full(), history.heartbeat())
    client.ready(PATIENCE)
    changed = Changed(client)
    client.close()
    client.close()
    assert client.status().state == "CLOSED"
    assert color_of(client) == "red"
    last = changed.seen.get(timeout=PATIENCE)
    assert (last.state_before, last.state_after, last.keys) == ("READY", "CLOSED", ())
    assert not [t for t in client._core._threads if t.is_alive()]
    client.ready(timeout=0)


def test_closing_ends_a_wait(server: Server, connect: Connect) -> None:
    client = connect(server.url)
    server.watch()
    threading.Thread(target=client.close).start()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.ready()


def test_a_listener_may_close(server: Server, connect: Connect) -> None:
    client = connect(server.url)
    closed = threading.Event()

    def close(_: strata.Change) -> None:
        client.close()
        closed.set()

    client.on_change(close)
    history = History()
    history.publish(entities("red"))
    server.watch().send(hello(30), history.full(), history.heartbeat())
    assert closed.wait(PATIENCE)


def test_listeners(server: Server, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    history = History()
    history.publish(entities("red"))
    client = connect(server.url)

    def fail(_: strata.Change) -> None:
        raise RuntimeError("of a listener")

    def leave(_: strata.Change) -> None:
        sys.exit()

    client.on_change(fail)
    client.on_change(leave)
    stopped = Changed(client)
    stopped.stop()
    stopped.stop()
    changed = Changed(client)
    watch = server.watch()
    watch.send(hello(30), history.full(), history.heartbeat())
    changed.seen.get(timeout=PATIENCE)  # is told last
    assert stopped.seen.empty()
    assert "of a listener" in caplog.text
    client.close()
    while changed.seen.get(timeout=PATIENCE).state_after != "CLOSED":
        pass


def test_a_cache_that_is_damaged(server: Server, connect: Connect, tmp_path: Path) -> None:
    history = History()
    history.publish(entities("red"))
    client = connect(server.url, cache_dir=tmp_path)
    server.watch().send(hello(30), history.full(), history.heartbeat())
    client.ready(PATIENCE)
    client.close()
    (tmp_path / "current.strata").write_bytes(b"damaged")
    again = connect(server.url, cache_dir=tmp_path)
    assert again.status().state == "NOT_READY"
    assert server.watch().request.resume_token == b""
    again.close()


def test_what_is_on_disk_is_gone_on_from(server: Server, connect: Connect, tmp_path: Path) -> None:
    history = History()
    history.publish(entities("red"))
    client = connect(server.url, cache_dir=tmp_path)
    server.watch().send(hello(30), history.full(), history.heartbeat())
    client.ready(PATIENCE)
    client.close()
    again = connect(server.url, cache_dir=tmp_path)
    again.ready(timeout=0)
    assert again.status().state == "STALE"
    changed = Changed(again)
    watch = server.watch()
    assert watch.request.resume_token == b"1/1"
    watch.send(hello(30), history.heartbeat())
    changed.until_state("READY")
    again.close()
    # Of another environment it is not used.
    other = connect(server.url, cache_dir=tmp_path, environment="test")
    assert other.status().state == "NOT_READY"


def test_a_cache_that_can_not_be_written(server: Server, connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History()
    history.publish(entities("red"))
    client = connect(server.url, cache_dir=tmp_path / "file" / "x")
    server.watch().send(hello(30), history.full(), history.heartbeat())
    client.ready(PATIENCE)
    assert color_of(client) == "red"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "STRATA_URL"),
        ({"url": "localhost:8080"}, "URL"),
        ({"url": "http://h", "access_key": "sak_x"}, "STRATA_SECRET_KEY"),
        ({"url": "http://h", "secret_key": "x"}, "STRATA_SECRET_KEY"),
        ({"url": "http://h", "cache_dir": "/tmp/x"}, "STRATA_ENVIRONMENT"),
        ({"url": "http://h", "environment": "e" * 64}, "STRATA_ENVIRONMENT"),
        ({"url": "http://h", "services": [""]}, "service"),
        ({"url": "http://h", "services": [str(i) for i in range(1001)]}, "services"),
        ({"url": "http://h", "instance": "i" * 257}, "instance"),
        ({"url": "http://h", "secret_key": Owner().secret, "audience": "ä"}, "audience"),
    ],
)
def test_settings_that_can_not_be_right(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Client(**settings)


@pytest.mark.parametrize(
    "settings", [{"services": "shop"}, {"services": [1]}, {"instance": 7}, {"secret_key": b"ssk"}]
)
def test_settings_of_another_type(settings: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Client(**{"url": "http://h", **settings})


def test_settings_of_the_environment(
    server: Server, owner: Owner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRATA_URL", server.url)
    monkeypatch.setenv("STRATA_ACCESS_KEY", owner.key.access_key)
    monkeypatch.setenv("STRATA_SECRET_KEY", owner.secret)
    monkeypatch.setenv("STRATA_ENVIRONMENT", "prod")
    monkeypatch.setenv("STRATA_CACHE_DIR", str(tmp_path))
    with Client(log=logging.getLogger("of a test")) as client:
        watch = server.watch()
        assert watch.request.environment == "prod"
        assert owner.key.access_key in watch.headers["Signature-Input"]
        assert watch.headers["Strata-Audience"] == "data-plane"
        assert client._settings.cache_dir == tmp_path
        shown = f"{client!r} {client._settings!r} {client._core._server!r}"
        assert owner.secret not in shown
        assert owner.key.access_key in shown


def test_many_threads(client: Client) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for user in range(300):
                e = client.evaluate(SERVICE, {"user_id": user, "country": "US"})
                assert e.get_string("text", "d") == "t"
                assert e.lookup("ruled").value == 1
                client.status()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_stale(server: Server, connect: Connect) -> None:
    history = History()
    history.publish(entities("red"))
    client = connect(server.url, times=dataclasses.replace(FAST, close_timeout=0.1))
    watch = server.watch()
    watch.send(hello(0.1), history.full(), history.heartbeat())
    client.ready(PATIENCE)
    changed = Changed(client)
    server.close()
    changed.until_state("STALE")
    until(client, lambda: client.status().error != "")
    assert color_of(client) == "red"
