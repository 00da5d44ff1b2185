"""A client that was made before its process was forked."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest
from conftest import Connect
from support import PATIENCE, Changed, History, Owner, Plane, Server, color_of, entities, hello

from strata import Client, Event
from strata._gate import GATE

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    # Newer versions of Python warn of forks where there are threads.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def in_child(work: Callable[[], None]) -> Callable[[], None]:
    """Does something in a process that is forked. It returns what waits for its end."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def wait() -> None:
        ended: queue.Queue[int] = queue.Queue()
        threading.Thread(
            target=lambda: ended.put(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])), daemon=True
        ).start()
        try:
            assert ended.get(timeout=PATIENCE) == 0
        except queue.Empty:
            os.kill(pid, 9)
            raise

    return wait


@pytest.fixture
def followed(server: Server, connect: Connect) -> tuple[Client, History]:
    history = History()
    history.publish(entities("red"))
    client = connect(server.url, instance="host")
    server.watch().send(hello(30), history.full(), history.heartbeat())
    client.ready(PATIENCE)
    return client, history


def test_a_child_goes_on_and_follows(server: Server, followed: tuple[Client, History]) -> None:
    client, history = followed

    def work() -> None:
        assert color_of(client) in ("red", "blue")  # which comes at once
        assert client.status().state == "READY"
        Changed(client).until_color("blue")
        client.close()

    wait = in_child(work)
    watch = server.watch()
    assert watch.request.instance.startswith("host-")
    assert watch.request.resume_token == b"1/1"
    delta = history.publish(entities("blue"))
    watch.send(hello(30), delta, history.heartbeat())
    wait()
    # The parent's stream is as it was.
    assert color_of(client) == "red"
    assert client._core.held.known.link is not None


def test_a_child_that_does_not_use_it_follows_nothing(
    server: Server, followed: tuple[Client, History]
) -> None:
    client, _ = followed

    def work() -> None:
        assert threading.active_count() == 1
        client.close()

    in_child(work)()
    assert server.watches.empty()
    assert color_of(client) == "red"


def test_exposures_are_sent_by_the_one_that_recorded_them(
    server: Server, followed: tuple[Client, History]
) -> None:
    client, _ = followed
    color_of(client, "of the parent")

    def work() -> None:
        color_of(client, "of the child")
        color_of(client, "of the parent")  # who knows that
        client.close()

    in_child(work)()
    assert [e.key for e in server.batches.get(timeout=PATIENCE).exposures] == ["of the child"]
    client.close()
    assert [e.key for e in server.batches.get(timeout=PATIENCE).exposures] == ["of the parent"]


def test_locks_that_others_hold_at_a_fork(
    followed: tuple[Client, History], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that is inside may wait for what is held here.
    monkeypatch.setattr("strata._gate._PATIENCE", 0.01)
    client, _ = followed
    core = client._core
    stop = client.on_change(lambda _: None)
    held, released = threading.Event(), threading.Event()
    running = core.running
    assert running is not None

    def hold() -> None:
        with (
            core.held.changed,
            core.outbox.changed,
            core.exposures.memory._lock,
            client._lock,
            client._changes._lock,
            running.rules._cache._lock,
        ):
            held.set()
            released.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(PATIENCE)

    def work() -> None:
        assert client.evaluate("shop", {"user_id": "new"}).get_object("", None) == {"color": "red"}
        assert client.status().revision == 1
        client.on_change(lambda _: None)()
        stop()
        client.record(Event("e", {"user_id": "new"}))
        assert client.status().dropped == 0
        client.close()

    wait = in_child(work)
    try:
        wait()
    finally:
        released.set()
        holder.join()


def test_a_fork_waits_until_nobody_is_inside_a_library() -> None:
    forking, forked = threading.Event(), threading.Event()

    def fork() -> None:
        forking.set()
        in_child(lambda: GATE.__enter__())()
        forked.set()

    with GATE:
        forker = threading.Thread(target=fork)
        forker.start()
        assert forking.wait(PATIENCE)
        assert not forked.wait(0.1)
    assert forked.wait(PATIENCE)
    forker.join()
    with GATE:
        in_child(lambda: GATE.__enter__())()  # by the one who is inside


def test_a_fork_that_can_not_wait_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strata._gate._PATIENCE", 0.01)
    forked = threading.Event()

    def fork() -> None:
        in_child(lambda: GATE.__enter__())()
        forked.set()

    with GATE:
        forker = threading.Thread(target=fork)
        forker.start()
        assert forked.wait(PATIENCE)
    forker.join()
    with GATE:  # is as it was in the parent
        pass


def test_a_child_of_a_child(server: Server, followed: tuple[Client, History]) -> None:
    client, _ = followed

    def inner() -> None:
        assert color_of(client, "inner") == "red"
        client.close()

    def outer() -> None:
        assert color_of(client, "outer") == "red"
        in_child(inner)()
        client.close()

    in_child(outer)()
    keys = {server.batches.get(timeout=PATIENCE).exposures[0].key for _ in range(2)}
    assert keys == {"inner", "outer"}


def test_a_client_that_was_closed(followed: tuple[Client, History]) -> None:
    client, _ = followed
    client.close()
    in_child(lambda: client.close() if color_of(client) == "red" else os._exit(2))()


def test_changes_are_told_in_children_too(server: Server, followed: tuple[Client, History]) -> None:
    client, history = followed
    told: queue.Queue[int] = queue.Queue()
    client.on_change(lambda change: told.put(change.revision_after))

    def work() -> None:
        client.status()
        assert told.get(timeout=PATIENCE) == 2
        client.close()

    wait = in_child(work)
    server.watch().send(hello(30), history.publish(entities("blue")), history.heartbeat())
    wait()


def test_a_stop_of_the_parents(server: Server, followed: tuple[Client, History]) -> None:
    client, history = followed
    told: queue.Queue[int] = queue.Queue()
    stop = client.on_change(lambda change: told.put(change.revision_after))

    def work() -> None:
        client.status()
        stop()
        Changed(client).until_color("blue")
        client.close()
        assert told.empty()

    wait = in_child(work)
    server.watch().send(hello(30), history.publish(entities("blue")), history.heartbeat())
    wait()


def child(client: Client, results: Connection) -> None:
    results.send((os.getpid(), color_of(client, "of multiprocessing")))


def test_multiprocessing(server: Server, followed: tuple[Client, History]) -> None:
    client, _ = followed
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(client, sender))
    process.start()
    assert receiver.poll(PATIENCE)
    pid, color = receiver.recv()
    assert (pid, color) == (process.pid, "red")
    process.join(PATIENCE)
    assert process.exitcode == 0
    process.close()
    receiver.close()
    sender.close()
    # Such a process ends without atexit, and sends what it has all the same.
    assert [e.key for e in server.batches.get(timeout=PATIENCE).exposures] == ["of multiprocessing"]


def test_the_real_data_plane(plane: Plane, owner: Owner, connect: Connect) -> None:
    client = connect(plane.url, secret_key=owner.secret)
    client.ready(PATIENCE)
    ready, ended = multiprocessing.get_context("fork").Pipe()

    def work() -> None:
        changed = Changed(client)
        ended.send("ready")
        changed.until_color("blue")
        client.close()

    wait = in_child(work)
    assert ready.poll(PATIENCE)
    changed = Changed(client)
    plane.publish("blue")
    wait()
    changed.until_color("blue")
    ready.close()
    ended.close()
