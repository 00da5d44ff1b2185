"""What the scenarios of the suite have in common, and what one has said and seen."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ProviderNotReadyError
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints
from support import PATIENCE, ROOT, Owner, Plane, new_client

from strata import Client
from strata.openfeature import StrataProvider

SERVICE = "openfeature"
"""Where the suite's flags are."""
NOBODY = "http://127.0.0.1:1"
"""Where no server is."""
CONFIG = ROOT / "sdk" / "conformance" / "openfeature" / "config"

# How the suite is read: see the tables in the README beside it.
VARIANTS = dict.fromkeys(("on", "greeting", "ten", "half", "template"), "101")
REASONS = {"STATIC": "SPLIT", "DEFAULT": "SPLIT", "DISABLED": "DEFAULT"}


class World:
    """Serves the suite's flags, and follows them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._plane, self.client = self.serve("10s")

    def serve(self, heartbeat: str) -> tuple[Plane, Client]:
        """Starts a data plane and a client of it that is ready, and stale three heartbeats
        after it is gone."""
        owner, folder = Owner(), self._folder / str(next(self._numbers))
        folder.mkdir()
        plane = Plane(folder, owner, heartbeat)
        shutil.copytree(CONFIG, folder, dirs_exist_ok=True)
        plane.start()
        client = new_client(plane.url, secret_key=owner.secret)
        client.ready(PATIENCE)
        return plane, client

    def close(self) -> None:
        self.client.close()
        self._plane.kill()


class Recorder(Hook):
    """Keeps what it is called with."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self._name = name
        self._calls = calls
        self.details: dict[str, FlagEvaluationDetails[FlagValueType]] = {}

    def before(self, hook_context: HookContext, hints: HookHints) -> None:
        self._calls.append(f"before {self._name}")

    def after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[FlagValueType],
        hints: HookHints,
    ) -> None:
        self._calls.append(f"after {self._name}")
        self.details["after"] = details

    def error(self, hook_context: HookContext, exception: Exception, hints: HookHints) -> None:
        self._calls.append(f"error {self._name}")

    def finally_after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[FlagValueType],
        hints: HookHints,
    ) -> None:
        self._calls.append(f"finally {self._name}")
        self.details["finally"] = details


class Scenario:
    """What one scenario has said and seen."""

    client: OpenFeatureClient
    details: FlagEvaluationDetails[Any]

    def __init__(self, world: World) -> None:
        self._world = world
        self._cleanup = contextlib.ExitStack()
        self.kind = ""
        self.key = ""
        self.fallback: Any = None
        self.attributes: dict[str, Any] = {}
        self.hooks: list[Recorder] = []
        self.calls: list[str] = []
        """Of all hooks, in order."""
        self._options: FlagEvaluationOptions | None = None

    def close(self) -> None:
        api.shutdown()
        self._cleanup.close()

    def provide(self, status: str) -> None:
        """Has the API use a provider of a status. A scenario that names a second one
        means that."""
        client, timeout = self._world.client, PATIENCE
        plane = None
        if status == "stale":
            plane, client = self._world.serve("100ms")
            self._cleanup.callback(plane.kill)
        elif status != "stable":
            client = new_client(NOBODY)
        if client is not self._world.client:
            self._cleanup.callback(client.close)
        if status == "fatal":
            client.close()
        if status == "error":
            timeout = 0
        provider = StrataProvider(client, targeting_key="user_id", init_timeout=timeout)
        api.set_evaluation_context(EvaluationContext("user"))
        if status in ("stable", "stale"):
            api.set_provider_and_wait(provider)
        elif status == "error":
            with contextlib.suppress(ProviderNotReadyError):
                api.set_provider_and_wait(provider)
        else:
            failed = threading.Event()
            api.add_handler(ProviderEvent.PROVIDER_ERROR, lambda _: failed.set())
            api.set_provider(provider)
            assert status != "fatal" or failed.wait(PATIENCE)
        if plane is not None:
            stale = threading.Event()
            api.add_handler(ProviderEvent.PROVIDER_STALE, lambda _: stale.set())
            plane.kill()
            assert stale.wait(PATIENCE)
        self.client = api.get_client()

    def flag(self, kind: str, key: str, fallback: str) -> None:
        self.kind, self.key, self.fallback = kind.lower(), key, parse(kind, fallback)

    def client_hook(self) -> None:
        self.hooks.append(Recorder("client", self.calls))
        self.client.add_hooks(list(self.hooks))

    def option_hooks(self) -> None:
        self.hooks += [Recorder("first", self.calls), Recorder("second", self.calls)]
        self._options = FlagEvaluationOptions(hooks=list(self.hooks))

    def evaluate(self) -> None:
        self.details = self._read("")

    def evaluate_async(self) -> None:
        self.details = at_once(self._read("_async"))

    def _read(self, suffix: str) -> Any:
        read = getattr(self.client, f"get_{self.kind}_details{suffix}")
        user = EvaluationContext(attributes=self.attributes)
        return read(f"{SERVICE}.{self.key}", self.fallback, user, self._options)


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Returns what a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def parse(kind: str, text: str) -> Any:
    """Reads a value as the suite writes it."""
    match kind.lower():
        case "boolean":
            return {"true": True, "false": False}[text]
        case "integer":
            return int(text)
        case "float":
            return float(text)
        case "string":
            return text
        case "object":
            return json.loads(text.replace('\\"', '"'))
    raise ValueError(f"there is no type {kind!r}")


def want(what: str, got: object, wanted: object) -> None:
    """Compares types, too: to Python, 1 is True."""
    shown, expected = json.dumps(got, sort_keys=True), json.dumps(wanted, sort_keys=True)
    assert shown == expected, f"the {what} is {shown}, want {expected}"
