"""The provider against the real data plane, through OpenFeature's API."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import FeatureProvider, ProviderStatus
from openfeature.track import TrackingEventDetails
from support import PATIENCE, History, Owner, Plane, Server, build, entities, hello, new_client

import strata
from strata._client import Client
from strata.openfeature import StrataProvider

USER = EvaluationContext(attributes={"user_id": "u", "session_id": "s"})
PARAMS = {
    "cart": {"size": 3},
    "a.b": "x",
    "list": [1],
    "none": None,
    "half": 0.5,
    "big": 1e300,
    "on": True,
}


class Shop:
    """A data plane of two services, one of whose names begins with the other one."""

    def __init__(self, folder: Path, heartbeat: str) -> None:
        folder.mkdir()
        self._folder = folder
        self.owner = Owner()
        self.plane = Plane(folder, self.owner, heartbeat)
        for priority, name, hash_key in ((1, "one", "user_id"), (2, "two", "session_id")):
            ranges = [{"start": 0, "end": 10000, "vid": priority}]
            self._save(
                f"layers/{name}.json",
                layer_id=name, version="v1", priority=priority, hash_key=hash_key, ranges=ranges,
            )  # fmt: skip
        variants = [{"vid": 1, "params": PARAMS}]
        self._save("experiments/one.json", eid=1, service="shop", variants=variants)
        self.publish(5)
        self.plane.start()

    def publish(self, size: int) -> None:
        variants = [{"vid": 2, "params": {"size": size}}]
        self._save("experiments/two.json", eid=2, service="shop.cart", variants=variants)

    def _save(self, name: str, **document: Any) -> None:
        new = self._folder / "new"
        new.write_text(json.dumps(document))
        new.replace(self._folder / name)


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """With a heartbeat, its parameter, that no test waits for if it does not say so."""
    build()
    started = Shop(tmp_path / "shop", getattr(request, "param", "10s"))
    yield started
    started.plane.kill()


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make(url: str, **settings: Any) -> Client:
        clients.append(new_client(url, **settings))
        return clients[-1]

    yield make
    api.shutdown()
    for client in clients:
        client.close()


@pytest.fixture
def client(shop: Shop, connect: Callable[..., Client]) -> Client:
    made = connect(shop.plane.url, secret_key=shop.owner.secret)
    made.ready(PATIENCE)
    return made


class Told:
    """What the API tells, as it comes."""

    def __init__(self) -> None:
        self._events = {event: queue.Queue[EventDetails]() for event in ProviderEvent}
        for event, seen in self._events.items():
            api.add_handler(event, seen.put)
        self.wait(ProviderEvent.PROVIDER_READY)  # is the API's own provider

    def wait(self, event: ProviderEvent) -> EventDetails:
        return self._events[event].get(timeout=PATIENCE)

    def left(self) -> list[ProviderEvent]:
        return [event for event, seen in self._events.items() if not seen.empty()]


def status() -> ProviderStatus:
    return api.get_client().get_provider_status()


def test_types(client: Client) -> None:
    provider = StrataProvider(client)
    assert provider.get_metadata().name == "strata"
    assert provider.resolve_boolean_details("shop.on", False, USER).value is True
    assert provider.resolve_string_details("shop.a\\.b", "", USER).value == "x"
    size = provider.resolve_float_details("shop.cart.size", 0.0, USER).value
    assert (type(size), size) == (float, 5.0)
    assert provider.resolve_float_details("shop.half", 0.0, USER).value == 0.5
    assert provider.resolve_object_details("shop.list", [], USER).value == [1]


def test_an_object_is_the_callers(client: Client) -> None:
    provider = StrataProvider(client)
    cart = provider.resolve_object_details("shop.cart", {}, USER).value
    assert cart == {"size": 5}  # of the service of that name, and not of the other one
    assert isinstance(cart, dict)
    cart.clear()
    assert provider.resolve_object_details("shop.cart", {}, USER).value == {"size": 5}


def test_where_a_value_comes_from(client: Client) -> None:
    found = StrataProvider(client).resolve_integer_details("shop.cart.size", 0, USER)
    assert (found.value, found.variant, found.reason) == (
        5,
        "2",
        Reason.SPLIT,
    )
    source = client.evaluate("shop.cart", USER.attributes).lookup("size")
    assert found.flag_metadata == {
        "version": str(client.status().revision),
        "flagSetId": "shop.cart",
        "layer": "two",
        "experiment": 2,
        "slot": source.slot,
    }


@pytest.mark.parametrize("user", [None, EvaluationContext("somebody")])
def test_nobody(client: Client, user: EvaluationContext | None) -> None:
    found = StrataProvider(client).resolve_integer_details("shop.cart.size", 7, user)
    assert (found.value, found.reason, found.variant) == (7, Reason.DEFAULT, None)
    assert set(found.flag_metadata) == {"version", "flagSetId"}


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("shop.half", ErrorCode.TYPE_MISMATCH),
        ("shop.none", ErrorCode.TYPE_MISMATCH),
        ("shop.big", ErrorCode.TYPE_MISMATCH),
        ("shop.on", ErrorCode.TYPE_MISMATCH),
        ("shop.nothing", ErrorCode.FLAG_NOT_FOUND),
        ("shop.cart\\.size", ErrorCode.FLAG_NOT_FOUND),
        ("other.half", ErrorCode.FLAG_NOT_FOUND),
        ("shop", ErrorCode.TYPE_MISMATCH),
        ("shop.", ErrorCode.FLAG_NOT_FOUND),
        ("", ErrorCode.FLAG_NOT_FOUND),
        (".", ErrorCode.FLAG_NOT_FOUND),
    ],
)
def test_errors(client: Client, flag: str, code: ErrorCode) -> None:
    found = StrataProvider(client).resolve_integer_details(flag, 7, USER)
    assert (found.value, found.reason, found.error_code) == (7, Reason.ERROR, code)
    assert found.error_message


def test_other_types_are_not_taken(client: Client) -> None:
    provider = StrataProvider(client)
    found: list[FlagResolutionDetails[Any]] = [
        provider.resolve_boolean_details("shop.cart.size", True, USER),
        provider.resolve_string_details("shop.on", "", USER),
        provider.resolve_float_details("shop.on", 0.0, USER),
        provider.resolve_object_details("shop.on", {}, USER),
    ]
    assert [details.error_code for details in found] == [ErrorCode.TYPE_MISMATCH] * 4


def test_the_targeting_key(client: Client) -> None:
    def slot(user: EvaluationContext, targeting_key: str = "") -> object:
        provider = StrataProvider(client, targeting_key=targeting_key)
        return provider.resolve_float_details("shop.half", 0, user).flag_metadata.get("slot")

    def of(user: str) -> object:
        return slot(EvaluationContext(attributes={"user_id": user}))

    keyed = EvaluationContext("somebody", {})
    assert slot(keyed) is None
    assert slot(keyed, "user_id") == of("somebody")
    assert keyed.attributes == {}
    assert slot(EvaluationContext("somebody", {"user_id": "u"}), "user_id") == of("u")
    assert slot(keyed, "session_id") is None


@pytest.mark.parametrize("shop", ["500ms"], indirect=True)
def test_events(shop: Shop, client: Client) -> None:
    told = Told()
    provider = StrataProvider(client)
    api.set_provider_and_wait(provider)
    assert told.wait(ProviderEvent.PROVIDER_READY).provider_name == "strata"
    shop.publish(6)
    changed = told.wait(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    assert changed.flags_changed == ["shop.cart.size"]
    assert status() is ProviderStatus.READY

    shop.plane.kill()
    told.wait(ProviderEvent.PROVIDER_STALE)
    assert status() is ProviderStatus.STALE
    size = api.get_client().get_integer_details("shop.cart.size", 0, USER)
    assert (size.value, size.reason, size.variant) == (6, Reason.STALE, "2")
    unknown = api.get_client().get_integer_details("shop.cart.size", 7)
    assert (unknown.value, unknown.reason) == (7, Reason.DEFAULT)

    assert told.left() == []
    client.close()
    fatal = told.wait(ProviderEvent.PROVIDER_ERROR)
    assert (fatal.error_code, fatal.message) == (ErrorCode.PROVIDER_FATAL, "the client is closed")
    assert status() is ProviderStatus.FATAL
    with pytest.raises(ProviderFatalError):
        provider.initialize(EvaluationContext())


def test_a_start_from_the_disk_is_stale(
    server: Server, connect: Callable[..., Client], tmp_path: Path
) -> None:
    history = History()
    history.publish(entities("red"))
    first = connect(server.url, cache_dir=tmp_path)
    server.watch().send(hello(30), history.full(), history.heartbeat())
    first.ready(PATIENCE)
    first.close()
    told = Told()
    api.set_provider_and_wait(StrataProvider(connect(server.url, cache_dir=tmp_path)))
    told.wait(ProviderEvent.PROVIDER_READY)
    told.wait(ProviderEvent.PROVIDER_STALE)
    assert status() is ProviderStatus.STALE
    server.watch().send(hello(30), history.heartbeat())
    told.wait(ProviderEvent.PROVIDER_READY)
    assert status() is ProviderStatus.READY
    assert told.left() == []


def test_what_comes_after_initialize_gave_up(
    server: Server, connect: Callable[..., Client]
) -> None:
    told = Told()
    provider = StrataProvider(connect(server.url), targeting_key="user_id", init_timeout=0)
    with pytest.raises(ProviderNotReadyError, match="there is no configuration"):
        api.set_provider_and_wait(provider)
    assert told.wait(ProviderEvent.PROVIDER_ERROR).error_code is ErrorCode.PROVIDER_NOT_READY
    assert status() is ProviderStatus.ERROR
    color = api.get_client().get_string_details("shop.color", "none", EvaluationContext("ann"))
    assert (color.value, color.error_code) == ("none", ErrorCode.PROVIDER_NOT_READY)
    history = History()
    history.publish(entities("red"))
    server.watch().send(hello(30), history.full(), history.heartbeat())
    told.wait(ProviderEvent.PROVIDER_READY)
    assert status() is ProviderStatus.READY
    assert api.get_client().get_string_value("shop.color", "", EvaluationContext("ann")) == "red"


def test_a_client_that_is_closed_before(connect: Callable[..., Client]) -> None:
    client = connect("http://127.0.0.1:1")
    client.close()
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(StrataProvider(client))
    assert status() is ProviderStatus.FATAL


def test_a_client_that_is_closed_after_initialize_gave_up(connect: Callable[..., Client]) -> None:
    told = Told()
    client = connect("http://127.0.0.1:1")
    with pytest.raises(ProviderNotReadyError):
        api.set_provider_and_wait(StrataProvider(client, init_timeout=0))
    told.wait(ProviderEvent.PROVIDER_ERROR)
    client.close()
    assert told.wait(ProviderEvent.PROVIDER_ERROR).error_code is ErrorCode.PROVIDER_FATAL


def test_shutdown(shop: Shop, client: Client) -> None:
    provider = StrataProvider(client)
    told: queue.Queue[ProviderEvent] = queue.Queue()

    def emit(_: FeatureProvider, event: ProviderEvent, __: ProviderEventDetails) -> None:
        told.put(event)

    provider.attach(emit)
    provider.shutdown()  # before anything was started
    provider.initialize(EvaluationContext())
    shop.publish(6)
    assert told.get(timeout=PATIENCE) is ProviderEvent.PROVIDER_CONFIGURATION_CHANGED
    provider.shutdown()
    provider.shutdown()
    provider.detach()
    seen: queue.Queue[strata.Change] = queue.Queue()
    client.on_change(seen.put)
    shop.publish(7)
    seen.get(timeout=PATIENCE)
    assert told.empty()
    assert client.status().state == "READY"  # the client is not the provider's to close

    provider.attach(emit)
    provider.initialize(EvaluationContext())
    shop.publish(8)
    assert told.get(timeout=PATIENCE) is ProviderEvent.PROVIDER_CONFIGURATION_CHANGED
    provider.shutdown()


def test_tracking_and_exposures(server: Server, connect: Callable[..., Client]) -> None:
    history = History()
    history.publish(entities("red"))
    client = connect(server.url)
    server.watch().send(hello(30), history.full(), history.heartbeat())
    api.set_provider_and_wait(StrataProvider(client, targeting_key="user_id"))
    user = EvaluationContext("ann", {"secret": "x"})
    assert api.get_client().get_string_value("shop.color", "", user) == "red"
    api.get_client().track("checkout", user, TrackingEventDetails(9.5).add("items", 2))
    api.get_client().track("visit", user)
    api.get_client().track("nobody")
    client.close()
    batch = server.batches.get(timeout=PATIENCE)
    assert [(e.key, e.path) for e in batch.exposures] == [("ann", "color")]
    checkout, visit = batch.events
    assert (checkout.name, checkout.units, checkout.value) == ("checkout", {"user_id": "ann"}, 9.5)
    assert checkout.properties is not None
    assert checkout.properties.to_python() == {"items": 2}
    assert (visit.name, visit.has_field("value"), visit.properties) == ("visit", False, None)
    assert client.status().dropped == 1


async def test_async(shop: Shop) -> None:
    async with strata.AsyncClient(url=shop.plane.url, secret_key=shop.owner.secret) as client:
        await client.ready(PATIENCE)
        provider = StrataProvider(client)
        api.set_provider_and_wait(provider)
        reader = api.get_client()
        assert await reader.get_boolean_value_async("shop.on", False, USER) is True
        assert await reader.get_string_value_async("shop.a\\.b", "", USER) == "x"
        assert await reader.get_integer_value_async("shop.cart.size", 0, USER) == 5
        assert await reader.get_float_value_async("shop.half", 0.0, USER) == 0.5
        assert await reader.get_object_value_async("shop.list", [], USER) == [1]
        missing = await reader.get_object_details_async("shop.nothing", [0], USER)
        assert (missing.value, missing.error_code) == ([0], ErrorCode.FLAG_NOT_FOUND)
        api.shutdown()


def test_the_end_of_the_process(shop: Shop) -> None:
    """Nothing was shut down or closed, and OpenFeature's threads end before the client."""
    program = """
    import sys
    from openfeature import api
    from openfeature.event import ProviderEvent
    from strata import Client
    from strata.openfeature import StrataProvider

    api.add_handler(ProviderEvent.PROVIDER_ERROR, print)
    api.set_provider_and_wait(StrataProvider(Client(url=sys.argv[1], secret_key=sys.argv[2])))
    print(api.get_client().get_float_value("shop.half", 0.0))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), shop.plane.url, shop.owner.secret],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("0.0\n")
