"""What a client makes of servers that do not behave."""

from __future__ import annotations

import dataclasses
import gzip
import logging
import threading
from collections.abc import Callable
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
    until,
    wrap,
)

from strata._follow.held import Held, Known
from strata._gen.strata.config.v1.config_pb import Experiment
from strata._gen.strata.config.v1.entity_pb import Changes, Entity, EntityKind
from strata._gen.strata.serving.v1.config_pb import (
    FetchResponse,
    Goodbye,
    Heartbeat,
    PlaneState,
    ReportStatusRequest,
    WatchResponse,
)
from strata._view import View


def begin(server: Server, history: History, *frames: Any) -> Watch:
    """Lets a client have everything, and returns its stream."""
    watch = server.watch()
    watch.send(hello(), history.full(), history.heartbeat(), *frames)
    return watch


def published(color: str = "red") -> History:
    history = History()
    history.publish(entities(color))
    return history


def report(server: Server, wanted: Callable[[ReportStatusRequest], bool]) -> ReportStatusRequest:
    while True:
        request = server.reports.get(timeout=PATIENCE)
        if wanted(request):
            return request


def test_deltas_and_resume_tokens(server: Server, connect: Connect) -> None:
    history = published()
    client = connect(server.url, instance="me", services=["b", "a", "b"])
    watch = begin(server, history)
    assert watch.request.resume_token == b""
    assert watch.request.instance == "me"
    assert watch.request.environment == "prod"
    assert watch.request.services == ["a", "b"]
    assert watch.request.client.startswith("strata-python/")
    client.ready(PATIENCE)
    changed = Changed(client)
    watch.send(history.publish(entities("blue")))
    changed.until_color("blue")
    watch.cut()
    again = server.watch()
    assert again.request.resume_token == b"1/2"
    again.send(hello(), history.heartbeat())
    until(client, lambda: client._core.held.known.error == "")


def test_parts_are_taken_whole(server: Server, connect: Connect) -> None:
    history = published()
    whole = history.full()
    client = connect(server.url)
    watch = server.watch()
    holds = Changes.from_binary(gzip.decompress(whole.changes)).puts
    first, second = (
        dataclasses_replace(
            whole, part=i, last=i == 1, changes=gzip.compress(Changes(puts=[put]).to_binary())
        )
        for i, put in enumerate(holds)
    )
    watch.send(hello(), first)
    until(client, lambda: client._core.held.known.link is not None)
    assert client.status().state == "NOT_READY"
    watch.send(second, history.heartbeat())
    client.ready(PATIENCE)
    assert color_of(client) == "red"


def dataclasses_replace(update: Any, **changes: Any) -> Any:
    copied = type(update).from_binary(update.to_binary())
    for name, value in changes.items():
        setattr(copied, name, value)
    return copied


def test_status_is_reported(server: Server, connect: Connect) -> None:
    history = published()
    connect(server.url, instance="me")
    watch = begin(server, history)
    first = report(server, lambda r: r.status is not None and r.status.active_revision == 1)
    assert first.stream_id == "stream"
    assert first.environment == "prod"
    assert first.status is not None
    assert first.status.instance == "me"
    assert first.status.state == PlaneState.SYNCED
    assert first.status.active_hash == history.full().hash
    watch.send(history.publish(entities("blue")))
    report(server, lambda r: r.status is not None and r.status.replicated_revision == 2)
    # Without news it is said again within each heartbeat.
    report(server, lambda _: True)
    watch.send(history.heartbeat())
    report(server, lambda _: True)


def poison(history: History) -> Any:
    bad = Experiment(eid=9, service=SERVICE)
    return history.publish([Entity(kind=EntityKind.EXPERIMENT, key="9", payload=bad.to_binary())])


def test_a_revision_that_can_not_be_run(server: Server, connect: Connect) -> None:
    history = published()
    client = connect(server.url)
    watch = begin(server, history)
    client.ready(PATIENCE)
    watch.send(poison(history))
    until(client, lambda: client._core.held.known.faults != ())
    assert color_of(client) == "red"
    status = client.status()
    assert (status.state, status.revision) == ("READY", 1)
    assert "experiment 9" in status.faults[0]
    told = report(server, lambda r: r.status is not None and r.status.state == PlaneState.REJECTED)
    assert told.status is not None
    assert (told.status.replicated_revision, told.status.active_revision) == (2, 1)
    assert told.status.rejections[0].key == "9"
    assert told.status.rejections[0].kind == EntityKind.EXPERIMENT
    # The next one starts from the one that was refused.
    changed = Changed(client)
    fixed = entities("blue", eid=9)
    watch.send(history.publish(fixed))
    changed.until(lambda: client.status().revision == 3)
    assert client.status().faults == ()


def test_nothing_but_what_can_not_be_run(server: Server, connect: Connect) -> None:
    history = History()
    update = poison(history)
    del update
    client = connect(server.url)
    begin(server, history)
    until(client, lambda: client._core.held.known.faults != ())
    with pytest.raises(TimeoutError, match="experiment 9"):
        client.ready(timeout=0)


def wrong_hash(history: History) -> list[Any]:
    return [dataclasses_replace(history.publish(entities("blue")), hash=b"x" * 32)]


def wrong_count(history: History) -> list[Any]:
    return [dataclasses_replace(history.publish(entities("blue")), entity_count=7)]


def gap(history: History) -> list[Any]:
    history.publish(entities("green"))
    return [history.publish(entities("blue"))]


def no_gzip(history: History) -> list[Any]:
    return [dataclasses_replace(history.publish(entities("blue")), changes=b"none")]


def no_message(history: History) -> list[Any]:
    return [
        dataclasses_replace(history.publish(entities("blue")), changes=gzip.compress(b"\xff" * 9))
    ]


def second_hello(_: History) -> list[Any]:
    return [hello()]


def heartbeat_between_parts(history: History) -> list[Any]:
    update = dataclasses_replace(history.publish(entities("blue")), last=False)
    return [update, history.heartbeat()]


@pytest.mark.parametrize(
    "frames",
    [wrong_hash, wrong_count, gap, no_gzip, no_message, second_hello, heartbeat_between_parts],
)
def test_what_is_not_right_is_asked_for_anew(
    server: Server, connect: Connect, frames: Callable[[History], list[Any]]
) -> None:
    history = published()
    client = connect(server.url)
    watch = begin(server, history)
    client.ready(PATIENCE)
    changed = Changed(client)
    watch.send(*frames(history))
    again = server.watch()
    assert again.request.resume_token == b""
    assert color_of(client) == "red"
    if history.revision == 1:
        history.publish(entities("blue"))
    again.send(hello(), history.full(), history.heartbeat())
    changed.until_color("blue")
    again.cut()
    assert server.watch().request.resume_token != b""


def test_what_is_missed_is_asked_for_and_then_anew(server: Server, connect: Connect) -> None:
    history = published()
    client = connect(server.url)
    watch = begin(server, history)
    client.ready(PATIENCE)
    history.publish(entities("blue"))
    watch.send(history.heartbeat())
    again = server.watch()
    assert again.request.resume_token == b"1/1"
    again.send(hello(), history.heartbeat())
    assert server.watch().request.resume_token == b""


def test_never_backwards(server: Server, connect: Connect) -> None:
    old, history = published("old"), published()
    history.publish(entities("blue"))
    client = connect(server.url)
    begin(server, history).cut()
    client.ready(PATIENCE)
    for frames in (
        [hello(), old.full(), old.heartbeat()],
        [hello(), old.heartbeat()],
        [hello(), Heartbeat(epoch=0, revision=99, hash=b"")],
    ):
        watch = server.watch()
        assert watch.request.resume_token == b"1/2"
        watch.send(*frames)
        # The client goes without being told to.
    watch = server.watch()
    assert watch.request.resume_token == b"1/2"
    assert color_of(client) == "blue"
    assert client.status().revision == 2
    # A later epoch counts, whatever its revision.
    later = published("later")
    later.epoch = 2
    changed = Changed(client)
    watch.send(hello(), later.full(), later.heartbeat())
    changed.until_color("later")
    assert (client.status().epoch, client.status().revision) == (2, 1)


def test_silence(server: Server, connect: Connect) -> None:
    history = published()
    client = connect(server.url)
    begin(server, history)  # and says nothing more
    client.ready(PATIENCE)
    changed = Changed(client)
    server.watch()
    assert "three heartbeats" in client.status().error
    changed.until_state("STALE")
    assert color_of(client) == "red"


def test_those_who_wait_for_a_silence_see_its_end() -> None:
    seen: list[bool] = []

    def look() -> None:
        seen.append(held.changed.acquire(blocking=False))
        if seen[-1]:
            held.changed.release()

    def clock() -> float:
        # Between the look at what is known and its change nobody may take it for stale.
        looking = threading.Thread(target=look)
        looking.start()
        looking.join()
        return 0.0

    known = Known("prod", View.empty(), heard=0.0)
    held = Held(known, lambda _: None, logging.getLogger("strata"), clock)
    held.hear()
    assert seen == [False]


def test_a_trickle_is_silence(server: Server, connect: Connect) -> None:
    history = published()
    client = connect(server.url)
    watch = begin(server, history)
    client.ready(PATIENCE)
    data = wrap(history.heartbeat()).to_binary()
    for i in range(len(data) + 4):
        watch.raw((b"\0\0\0\0" + bytes([len(data)]) + data)[i : i + 1])
        if watch.done.wait(0.1) or not server.watches.empty():
            break
    server.watch()
    assert "three heartbeats" in client.status().error


def test_frames_that_are_not_known_are_skipped(server: Server, connect: Connect) -> None:
    history = published()
    client = connect(server.url)
    watch = server.watch()
    watch.send(hello())
    unknown = b"\xfa\x01\x01x"  # field 31
    watch.raw(b"\0\0\0\0" + bytes([len(unknown)]) + unknown)
    assert WatchResponse.from_binary(unknown).frame is None
    watch.send(history.full())
    client.ready(PATIENCE)


def test_another_environment_is_refused(server: Server, connect: Connect) -> None:
    client = connect(server.url)
    server.watch().send(hello(environment="staging"), published().full())
    until(client, lambda: "staging" in client._core.held.known.error)
    assert client.status().state == "NOT_READY"


def test_the_environment_that_the_server_names(server: Server, connect: Connect) -> None:
    client = connect(server.url, environment="")
    begin(server, published())
    client.ready(PATIENCE)


@pytest.mark.parametrize("reason", [Goodbye.Reason.DRAIN, Goodbye.Reason.MAX_AGE])
def test_goodbye(server: Server, connect: Connect, reason: Goodbye.Reason) -> None:
    history = published()
    client = connect(server.url)
    watch = begin(server, history, Goodbye(reason=reason, retry_min_millis=1, retry_max_millis=5))
    again = server.watch()
    assert again.request.resume_token == b"1/1"
    assert reason.name in client.status().error
    assert client.status().state == "READY"
    watch.cut()


def test_errors_of_servers(server: Server, connect: Connect) -> None:
    client = connect(server.url)
    server.watch().end({"code": "unavailable", "message": "nothing yet"})
    server.watch().end({"code": "not_found", "message": "which?"})
    server.watch().reset()
    server.watch().raw(b"\0\xff\xff\xff\xff")
    server.watch().raw(b"\0\0\0\0\x02\xff\xff")
    server.watch().raw(b"\1\0\0\0\0")
    begin(server, published())
    client.ready(PATIENCE)


def test_a_stream_that_does_not_begin_is_fetched(server: Server, connect: Connect) -> None:
    history = published()
    server.fetch = lambda request: FetchResponse(
        frames=[wrap(hello(0.05)), wrap(history.full()), wrap(history.heartbeat())]
        if request.watch is not None
        and request.watch.resume_token != f"1/{history.revision}".encode()
        else [wrap(hello(0.05)), wrap(history.heartbeat())]
    )
    timers = dataclasses.replace(FAST.timers, hello=0.2)
    client = connect(server.url, times=dataclasses.replace(FAST, timers=timers))
    client.ready(PATIENCE)
    changed = Changed(client)
    told = report(server, lambda _: True)
    assert told.stream_id == ""
    history.publish(entities("blue"))
    changed.until_color("blue")
    server.watch()  # that did not begin
    watch = server.watch()  # that is tried later
    watch.send(hello(), history.publish(entities("green")), history.heartbeat())
    changed.until_color("green")


def test_fetches_that_are_not_whole(server: Server, connect: Connect) -> None:
    history = published()
    bad = dataclasses_replace(history.full(), last=False)
    answers = iter([FetchResponse(), FetchResponse(frames=[wrap(hello()), wrap(bad)])])
    server.fetch = lambda _: next(
        answers, FetchResponse(frames=[wrap(hello()), wrap(history.full())])
    )
    timers = dataclasses.replace(FAST.timers, hello=0.05)
    client = connect(server.url, times=dataclasses.replace(FAST, timers=timers))
    client.ready(PATIENCE)


def test_confirmation(server: Server, connect: Connect) -> None:
    history = published()
    client = connect(server.url)
    watch = server.watch()
    watch.send(hello(), history.full(), history.heartbeat(stale=1000))
    until(client, lambda: client._core.held.known.confirmed is not None)
    assert 1000 <= client.status().stale_for < 1060
    changed = Changed(client)
    watch.send(history.publish(entities("blue")))
    changed.until_color("blue")
    until(client, lambda: client.status().stale_for < 60)
