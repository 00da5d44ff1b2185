"""Who met what is sent: once, in batches, and again if it fails."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
from conftest import Connect
from support import (
    FAST,
    PATIENCE,
    SERVICE,
    Changed,
    History,
    Server,
    Watch,
    color_of,
    entities,
    hello,
    until_dropped,
)

from strata import Client, Event
from strata._engine import Match, slot
from strata._exposures import Memory
from strata._gen.strata.serving.v1.event_pb import Exposure, RecordRequest, RecordResponse, Refusal
from strata._outbox import BATCH_ENTRIES, MAX_WAITING


@pytest.fixture
def history() -> History:
    history = History()
    history.publish(entities("red"))
    return history


def ready(server: Server, history: History, connect: Connect) -> Client:
    return following(server, history, connect)[0]


def following(server: Server, history: History, connect: Connect) -> tuple[Client, Watch]:
    client = connect(server.url)
    watch = server.watch()
    watch.send(hello(30), history.full(), history.heartbeat())
    client.ready(PATIENCE)
    return client, watch


def test_an_exposure_says_who_met_what(server: Server, history: History, connect: Connect) -> None:
    client = ready(server, history, connect)
    evaluation = client.evaluate(SERVICE, {"user_id": "ann"})
    assert len(client._core.outbox) == 0
    assert evaluation.get_string("color", "none") == "red"
    assert evaluation.lookup("color").slot == slot("salt", "ann")
    color_of(client, "ann")
    client.close()
    batch = server.batches.get(timeout=PATIENCE)
    assert batch.client.startswith("strata-python/")
    [exposure] = batch.exposures
    assert exposure.insert_id
    assert exposure.time is not None
    assert (exposure.service, exposure.layer_id, exposure.hash_key) == (
        SERVICE,
        "layer_1",
        "user_id",
    )
    assert (exposure.key, exposure.slot) == ("ann", slot("salt", "ann"))
    assert (exposure.eid, exposure.vid, exposure.epoch, exposure.revision) == (1, 10, 1, 1)
    assert (exposure.path, exposure.hidden) == ("color", False)


def test_each_is_recorded_once_in_its_window(
    server: Server, history: History, connect: Connect
) -> None:
    client, watch = following(server, history, connect)
    changed = Changed(client)
    for user in ("ann", "bob", "ann"):
        color_of(client, user)
    # A revision that changes neither the layer nor the experiment.
    watch.send(history.publish(entities("x", eid=2)))
    changed.until(lambda: client.status().revision == 2)
    color_of(client, "ann")
    # One that does.
    watch.send(history.publish(entities("blue")))
    changed.until(lambda: client.status().revision == 3)
    color_of(client, "ann")
    client.close()
    found = server.batches.get(timeout=PATIENCE).exposures
    of_one = [(e.key, e.revision) for e in found if e.eid == 1]
    assert of_one == [("ann", 1), ("bob", 1), ("ann", 3)]


def test_batches(server: Server, history: History, connect: Connect) -> None:
    client = ready(server, history, connect)
    for user in range(2 * BATCH_ENTRIES + 1):
        color_of(client, f"user_{user}")
    keys = []
    for _ in range(2):
        batch = server.batches.get(timeout=PATIENCE).exposures
        assert len(batch) == BATCH_ENTRIES
        keys += [e.key for e in batch]
    client.close()
    keys += [e.key for e in server.batches.get(timeout=PATIENCE).exposures]
    assert keys == [f"user_{user}" for user in range(2 * BATCH_ENTRIES + 1)]


def test_what_fails_is_sent_again(server: Server, history: History, connect: Connect) -> None:
    answers = iter(["unavailable", "resource_exhausted", "unauthenticated"])
    server.record = lambda _: next(answers, RecordResponse())
    client = ready(server, history, connect)
    color_of(client)
    client.close()
    ids = {server.batches.get(timeout=PATIENCE).exposures[0].insert_id for _ in range(4)}
    assert len(ids) == 1
    assert client.status().dropped == 0


def test_what_can_never_be_sent_is_dropped(
    server: Server, history: History, connect: Connect
) -> None:
    answers: list[RecordResponse | str] = [
        "invalid_argument",
        RecordResponse(refusals=[Refusal(insert_id="x", problem="no")]),
    ]
    server.record = lambda _: answers.pop(0)
    client = ready(server, history, connect)
    for user in range(2 * BATCH_ENTRIES):
        color_of(client, f"user_{user}")
    until_dropped(client, BATCH_ENTRIES + 1)
    client.close()
    assert client.status().dropped == BATCH_ENTRIES + 1


def test_what_is_too_much_is_dropped_and_recorded_later(
    server: Server, history: History, connect: Connect
) -> None:
    goes_on = threading.Event()

    def record(_: RecordRequest) -> RecordResponse:
        goes_on.wait(PATIENCE)
        return RecordResponse()

    server.record = record
    client = ready(server, history, connect)
    for user in range(MAX_WAITING + 3):
        color_of(client, f"user_{user}")
    assert client.status().dropped == 3
    color_of(client, f"user_{MAX_WAITING}")
    assert client.status().dropped == 4
    goes_on.set()
    # The last batch is sent after the one before it has made room.
    arrived = 0
    while arrived < MAX_WAITING:
        arrived += len(server.batches.get(timeout=PATIENCE).exposures)
    color_of(client, f"user_{MAX_WAITING}")
    client.close()
    assert client.status().dropped == 4


def test_close_waits_for_a_limited_time(server: Server, history: History, connect: Connect) -> None:
    never = threading.Event()
    server.record = lambda _: str(never.wait(PATIENCE))
    client = connect(server.url, times=dataclasses.replace(FAST, close_timeout=0.2))
    server.watch().send(hello(30), history.full(), history.heartbeat())
    client.ready(PATIENCE)
    color_of(client)
    client.close()
    assert client.status().dropped == 1
    assert client.status().state == "CLOSED"
    never.set()
    assert not [t for t in client._core._threads if t.is_alive()]


def test_after_close_nothing_is_recorded(
    server: Server, history: History, connect: Connect
) -> None:
    client = ready(server, history, connect)
    client.close()
    assert color_of(client, "late") == "red"
    assert client.status().dropped == 1


def test_events(server: Server, history: History, connect: Connect) -> None:
    client = ready(server, history, connect)
    client.record(
        Event(
            "checkout",
            {"user_id": 12, "country": "US"},
            value=9.5,
            properties={"n": [1, {"a": None}]},
        )
    )
    client.close()
    [event] = server.batches.get(timeout=PATIENCE).events
    assert (event.name, event.units, event.value) == ("checkout", {"user_id": "12"}, 9.5)
    assert event.properties is not None
    assert event.properties.to_python() == {"n": [1.0, {"a": None}]}
    assert event.insert_id
    assert event.time is not None


@pytest.mark.parametrize(
    "event",
    [
        Event("", {"user_id": "u"}),
        Event("n" * 257, {"user_id": "u"}),
        Event("\ud800", {"user_id": "u"}),
        Event("e", {}),
        Event("e", {"user_id": ""}),
        Event("e", {"user_id": "k" * 4097}),
        Event("e", None),  # type: ignore[arg-type]
        Event("e", {"user_id": "u"}, value=float("nan")),
        Event("e", {"user_id": "u"}, value="much"),  # type: ignore[arg-type]
        Event("e", {"user_id": "u"}, properties={"a": "x" * 17000}),
        Event("e", {"user_id": "u"}, properties={"a": float("inf")}),
        Event("e", {"user_id": "u"}, properties={"a": object()}),
        Event("e", {"user_id": "u"}, properties=7),  # type: ignore[arg-type]
        "event",
    ],
)
def test_events_that_can_not_be_sent(
    server: Server, history: History, connect: Connect, event: Event
) -> None:
    client = ready(server, history, connect)
    client.record(event)
    assert client.status().dropped == 1
    assert len(client._core.outbox) == 0


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def test_properties_that_no_message_holds(
    server: Server, history: History, connect: Connect
) -> None:
    client = ready(server, history, connect)
    client.record(Event("e", {"user_id": "u"}, properties={"a": 10**400}))
    client.record(Event("e", {"user_id": "u"}, properties={"a": nested(60)}))
    client.record(Event("e", {"user_id": "u"}, properties={"a": nested(500)}))
    client.record(Event("good", {"user_id": "u"}, properties={"a": nested(10)}))
    color_of(client)
    client.close()
    batch = server.batches.get(timeout=PATIENCE)
    assert [e.name for e in batch.events] == ["good"]
    assert len(batch.exposures) == 1
    assert client.status().dropped == 3


def test_why_events_are_dropped_says_nothing_of_them(
    server: Server, history: History, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = ready(server, history, connect)
    for secret in ("ann's", "bob's"):
        client.record(Event("e", {"user_id": "u"}, value=secret))  # type: ignore[arg-type]
    assert client.status().dropped == 2
    assert "'s" not in caplog.text
    assert len(client._core.outbox._told) == 1


def test_what_a_server_says_is_no_reason_of_its_own(
    server: Server, history: History, connect: Connect
) -> None:
    def refuse(handler: Any, _body: bytes) -> bool:
        recorded = str(handler.path).endswith("/Record")
        if recorded:
            handler.fail(400, "invalid_argument", details=[])
            server.batches.put(RecordRequest())
        return recorded

    client = ready(server, history, connect)
    server.raw = refuse
    color_of(client)
    client.close()
    assert client._core.outbox._told == {"the server takes none: invalid_argument"}


def test_the_closing_makes_pauses_short(
    server: Server, history: History, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = 0.0  # of the longest pause
    monkeypatch.setattr("random.uniform", lambda least, most: part * most)
    server.record = lambda _: "unavailable"
    client = ready(server, history, connect)
    for user in range(BATCH_ENTRIES):
        color_of(client, f"user_{user}")
    for _ in range(20):  # after which the longest pause is a minute
        server.batches.get(timeout=PATIENCE)
    part = 1.0
    answers: list[RecordResponse | str] = [RecordResponse(), "unavailable"]
    server.record = lambda _: answers.pop() if client.status().state == "CLOSED" else "no"
    client.close()
    assert client.status().dropped == 0


def test_an_event_before_there_is_a_configuration(server: Server, connect: Connect) -> None:
    client = connect(server.url)
    client.record(Event("e", {"user_id": "u"}))
    assert client.status().dropped == 1


def match(vid: int = 1, window: int = 1) -> Match:
    return Match("layer", "user_id", "salt", 1, vid, False, window)


def test_who_was_met_is_remembered_for_two_generations() -> None:
    memory = Memory(generation=2)
    assert not memory.again(match(), "a", hidden=False)
    assert memory.again(match(), "a", hidden=False)
    assert not memory.again(match(), "b", hidden=False)
    assert not memory.again(match(), "c", hidden=False)  # a generation ends
    assert memory.again(match(), "a", hidden=False)  # and is renewed
    assert not memory.again(match(), "d", hidden=False)
    assert not memory.again(match(), "b", hidden=False)
    assert not memory.again(match(vid=2), "d", hidden=False)
    assert not memory.again(match(window=2), "d", hidden=False)


def test_one_that_was_hidden_is_recorded_again_when_it_no_longer_is() -> None:
    memory = Memory()
    assert not memory.again(match(), "a", hidden=True)
    assert memory.again(match(), "a", hidden=True)
    assert not memory.again(match(), "a", hidden=False)
    assert memory.again(match(), "a", hidden=True)
    other = memory.copy()
    assert other.again(match(), "a", hidden=False)
    memory.forget(match(), "a", hidden=False)
    assert not memory.again(match(), "a", hidden=False)


def test_many_threads_record_each_once(server: Server, history: History, connect: Connect) -> None:
    client = ready(server, history, connect)
    barrier = threading.Barrier(8)

    def read() -> None:
        barrier.wait()
        for user in range(200):
            color_of(client, f"user_{user}")

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    found: list[Exposure] = server.batches.get(timeout=PATIENCE).exposures
    assert sorted(e.key for e in found) == sorted(f"user_{user}" for user in range(200))
