"""Clients on an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from support import PATIENCE, SERVICE, History, Server, entities, hello

import strata


@pytest.fixture
async def client(server: Server) -> AsyncIterator[strata.AsyncClient]:
    async with strata.AsyncClient(url=server.url) as made:
        yield made


async def begin(server: Server, history: History, client: strata.AsyncClient) -> None:
    history.publish(entities("red"))
    watch = await asyncio.to_thread(server.watch)
    watch.send(hello(30), history.full(), history.heartbeat())
    await client.ready(PATIENCE)


async def test_ready_and_evaluate(server: Server, client: strata.AsyncClient) -> None:
    await begin(server, History(), client)
    await client.ready()
    evaluation = client.evaluate(SERVICE, {"user_id": "u"})
    assert evaluation.get_string("color", "none") == "red"
    assert client.explain(SERVICE, {"user_id": "u"}).layers
    client.record(strata.Event("e", {"user_id": "u"}))
    assert client.status().state == "READY"
    await client.close()
    assert client.status().state == "CLOSED"
    assert len((await asyncio.to_thread(server.batches.get, True, PATIENCE)).events) == 1


async def test_ready_says_why_not(client: strata.AsyncClient) -> None:
    with pytest.raises(TimeoutError, match="there is no configuration from http"):
        await client.ready(timeout=0.01)


async def test_ready_ends_with_the_client(client: strata.AsyncClient) -> None:
    waiting = asyncio.create_task(client.ready())
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await waiting


async def test_ready_that_is_cancelled(client: strata.AsyncClient) -> None:
    waiting = asyncio.create_task(client.ready())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not client._client._changes.listeners


async def test_changes_are_told_on_the_loop(server: Server, client: strata.AsyncClient) -> None:
    history = History()
    history.publish(entities("red"))
    seen: asyncio.Queue[tuple[strata.Change, threading.Thread]] = asyncio.Queue()
    stop = client.on_change(lambda change: seen.put_nowait((change, threading.current_thread())))
    watch = await asyncio.to_thread(server.watch)
    watch.send(hello(30), history.full(), history.heartbeat())
    change, thread = await asyncio.wait_for(seen.get(), PATIENCE)
    assert change.keys == (f"{SERVICE}.color",)
    assert thread is threading.current_thread()
    stop()
    stop()
    await client.close()
    await asyncio.sleep(0)
    assert seen.empty()


def test_changes_need_a_loop(server: Server) -> None:
    client = strata.AsyncClient(url=server.url)
    with pytest.raises(RuntimeError):
        client.on_change(lambda _: None)
    client._client.close()


def test_a_loop_that_is_closed(server: Server) -> None:
    client = strata.AsyncClient(url=server.url)

    async def listen() -> None:
        client.on_change(lambda _: None)

    asyncio.run(listen())
    client._client.close()
