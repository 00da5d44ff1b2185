"""Servers for tests: the real data plane, and one that does what a test says."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.client
import http.server
import json
import os
import queue
import secrets
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from protobuf import Oneof

import strata
from strata import _view as view
from strata._accesskey import Key
from strata._client import Client
from strata._core import Times
from strata._follow.timers import Timers
from strata._gen.strata.config.v1.config_pb import Experiment, Layer, Range, Variant
from strata._gen.strata.config.v1.entity_pb import Changes, Entity, EntityKind
from strata._gen.strata.serving.v1.config_pb import (
    FetchRequest,
    FetchResponse,
    Goodbye,
    Heartbeat,
    Hello,
    ReportStatusRequest,
    ReportStatusResponse,
    Update,
    WatchRequest,
    WatchResponse,
)
from strata._gen.strata.serving.v1.event_pb import RecordRequest, RecordResponse
from strata._settings import resolve
from strata._view import Position, View

ROOT = Path(__file__).parents[4]
STRATA = ROOT / "bin" / "strata"
SERVICE = "shop"
PATIENCE = 20.0
"""How long tests wait for what has to come, in seconds."""

T = TypeVar("T")


def secret_key(seed: bytes) -> str:
    checksum = hashlib.sha256(b"strata secret key" + seed).digest()[:4]
    return "ssk_" + base64.urlsafe_b64encode(seed + checksum).decode()


@dataclass
class Owner:
    """Who may follow."""

    seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def key(self) -> Key:
        return Key(self.seed)

    @property
    def secret(self) -> str:
        return secret_key(self.seed)


def layer(value: str, version: str = "v1", eid: int = 1) -> tuple[dict[str, Any], dict[str, Any]]:
    """A layer that gives everyone a variant which sets color, and its experiment."""
    return (
        {
            "layer_id": f"layer_{eid}",
            "version": version,
            "priority": 1,
            "hash_key": "user_id",
            "salt": "salt",
            "ranges": [{"start": 0, "end": 10000, "vid": eid * 10}],
        },
        {
            "eid": eid,
            "service": SERVICE,
            "variants": [{"vid": eid * 10, "params": {"color": value}}],
        },
    )


class Plane:
    """A data plane that serves files, as a process."""

    def __init__(self, folder: Path, owner: Owner, heartbeat: str = "300ms") -> None:
        self._folder = folder
        self._heartbeat = heartbeat
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        for name in ("layers", "experiments"):
            (folder / name).mkdir()
        keys = {
            "access_keys": [
                {
                    "key": {
                        "access_key": owner.key.access_key,
                        "public_key": base64.b64encode(owner.key.public_key).decode(),
                        "name": "test",
                        "role": "ROLE_SDK",
                    }
                }
            ]
        }
        (folder / "keys.yaml").write_text(json.dumps(keys))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def publish(self, value: str, version: str = "v1") -> None:
        for name, document in zip(("layers", "experiments"), layer(value, version), strict=True):
            temp = self._folder / "writing"
            temp.write_text(json.dumps(document))
            temp.replace(self._folder / name / "one.json")

    def start(self) -> None:
        """Serves, at the same port as before."""
        self._process = subprocess.Popen(
            [
                STRATA,
                "dataplane",
                "--source=files",
                f"--layers-dir={self._folder / 'layers'}",
                f"--experiments-dir={self._folder / 'experiments'}",
                f"--keys-file={self._folder / 'keys.yaml'}",
                f"--heartbeat={self._heartbeat}",
                "--environment=prod",
                f"--http-addr=127.0.0.1:{self.port}",
                "--metrics-addr=127.0.0.1:0",
            ],
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            entry = json.loads(line)
            if entry["msg"] == "listening":
                self.port = int(entry["http"].rpartition(":")[2])
                self._reading = threading.Thread(target=self._process.stderr.read, daemon=True)
                self._reading.start()
                return
        raise AssertionError("".join(said))

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._reading.join()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None


class Watch:
    """A stream that a test drives."""

    def __init__(self, handler: _Handler, request: WatchRequest) -> None:
        self._handler = handler
        self.request = request
        self.headers = handler.headers
        self.done = threading.Event()
        self._begun = False

    def raw(self, data: bytes) -> None:
        """Sends bytes, as a chunk. That the client has gone is no matter."""
        with contextlib.suppress(OSError):
            if not self._begun:
                self._begun = True
                self._handler.send_response(200)
                self._handler.send_header("Content-Type", "application/connect+proto")
                self._handler.send_header("Transfer-Encoding", "chunked")
                self._handler.end_headers()
            self._handler.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")
            self._handler.wfile.flush()

    def send(self, *frames: Any) -> None:
        for frame in frames:
            data = wrap(frame).to_binary()
            self.raw(struct.pack(">BI", 0, len(data)) + data)

    def hello(self, heartbeat: float = 0.2) -> None:
        self.send(hello(heartbeat))

    def end(self, error: dict[str, Any] | None = None) -> None:
        """Ends the stream as a server of Connect does."""
        data = json.dumps({} if error is None else {"error": error}).encode()
        self.raw(struct.pack(">BI", 2, len(data)) + data)
        self.cut()

    def cut(self) -> None:
        """Ends the connection."""
        self.done.set()

    def reset(self) -> None:
        with contextlib.suppress(OSError):
            self._handler.connection.setsockopt(
                socket.SOL_SOCKET,
                socket.SO_LINGER,
                struct.pack("ii", 1, 0),
            )
        self.done.set()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HTTPServer

    def do_POST(self) -> None:
        self.server.owner.requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self.server.owner.serve(self, body)
        except OSError:
            self.close_connection = True

    def answer(
        self, status: int, content_type: str, data: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status: int, code: str, **more: Any) -> None:
        self.answer(
            status, "application/json", json.dumps({"code": code, "message": "no", **more}).encode()
        )

    def log_message(self, *_: object) -> None: ...


class _HTTPServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: Server

    def handle_error(self, *_: object) -> None: ...


class Server:
    """A server that does what a test says. Streams are handed to the test."""

    def __init__(self, port: int = 0) -> None:
        self.watches: queue.Queue[Watch] = queue.Queue()
        self.reports: queue.Queue[ReportStatusRequest] = queue.Queue()
        self.batches: queue.Queue[RecordRequest] = queue.Queue()
        self.fetch: Callable[[FetchRequest], FetchResponse | None] = lambda _: None
        self.record: Callable[[RecordRequest], RecordResponse | str] = lambda _: RecordResponse()
        self.raw: Callable[[_Handler, bytes], bool] = lambda _handler, _body: False
        """May answer a request in place of what is below."""
        self.requests = 0
        self._open: list[Watch] = []
        self._server = _HTTPServer(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def serve(self, handler: _Handler, body: bytes) -> None:
        if self.raw(handler, body):
            return
        method = handler.path.rpartition("/")[2]
        if method == "Watch":
            watch = Watch(handler, WatchRequest.from_binary(body[5:]))
            self._open.append(watch)
            self.watches.put(watch)
            watch.done.wait()
            handler.close_connection = True
        elif method == "Fetch":
            fetched = self.fetch(FetchRequest.from_binary(body))
            if fetched is None:
                handler.fail(503, "unavailable")
            else:
                handler.answer(200, "application/proto", fetched.to_binary())
        elif method == "ReportStatus":
            self.reports.put(ReportStatusRequest.from_binary(body))
            handler.answer(200, "application/proto", ReportStatusResponse().to_binary())
        elif method == "Record":
            request = RecordRequest.from_binary(body)
            answer = self.record(request)
            if isinstance(answer, str):
                handler.fail(
                    {"invalid_argument": 400, "unimplemented": 404}.get(answer, 503), answer
                )
            else:
                handler.answer(200, "application/proto", answer.to_binary())
            self.batches.put(request)

    def watch(self) -> Watch:
        return self.watches.get(timeout=PATIENCE)

    def close(self) -> None:
        for watch in self._open:
            watch.cut()
        self._server.shutdown()
        self._server.server_close()


class BufferingProxy:
    """A proxy that hands answers on when they have ended."""

    def __init__(self, port: int) -> None:
        self._connections: set[socket.socket] = set()
        connections = self._connections

        class Handler(_Handler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as upstream:
                    upstream.request("POST", self.path, body, dict(self.headers.items()))
                    connections.add(upstream.sock)
                    with contextlib.suppress(OSError, http.client.HTTPException):
                        response = upstream.getresponse()
                        data = response.read()
                        self.answer(response.status, response.headers["Content-Type"], data)
                    connections.discard(upstream.sock)
                self.close_connection = True

        self._server = _HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()
        self._server.server_close()


def wrap(frame: Any) -> WatchResponse:
    names = {Hello: "hello", Update: "update", Heartbeat: "heartbeat", Goodbye: "goodbye"}
    kind: Any = Oneof(names[type(frame)], frame)
    return WatchResponse(frame=kind)


def hello(heartbeat: float = 0.2, environment: str = "prod") -> Hello:
    return Hello(
        stream_id="stream",
        environment=environment,
        heartbeat_millis=int(heartbeat * 1000),
        report_millis=10,
    )


def entities(value: str, eid: int = 1) -> list[Entity]:
    """A layer and an experiment, as they travel."""
    document, experiment = layer(value, eid=eid)
    return [
        Entity(
            kind=EntityKind.LAYER,
            key=document["layer_id"],
            payload=Layer(
                layer_id=document["layer_id"],
                priority=1,
                hash_key="user_id",
                salt="salt",
                enabled=True,
                ranges=[Range(start=0, end=10000, vid=eid * 10)],
            ).to_binary(),
        ),
        Entity(
            kind=EntityKind.EXPERIMENT,
            key=str(eid),
            payload=Experiment(
                eid=eid,
                service=SERVICE,
                variants=[
                    Variant(
                        vid=eid * 10, params_json=json.dumps(experiment["variants"][0]["params"])
                    )
                ],
            ).to_binary(),
        ),
    ]


@dataclass
class History:
    """What a server has published."""

    epoch: int = 1
    revision: int = 0
    holds: list[Entity] = field(default_factory=list)

    def publish(self, puts: list[Entity]) -> Update:
        """Returns the delta that leads to the next revision."""
        before = self.revision
        self.revision += 1
        keys = {(e.kind, e.key) for e in puts}
        self.holds = [e for e in self.holds if (e.kind, e.key) not in keys] + puts
        return self._update(Update.Kind.DELTA, puts, before)

    def full(self) -> Update:
        return self._update(Update.Kind.FULL, self.holds, 0)

    def heartbeat(self, stale: float = 0) -> Heartbeat:
        return Heartbeat(
            epoch=self.epoch,
            revision=self.revision,
            hash=self._view().hash,
            stale_millis=int(stale * 1000),
        )

    def _view(self) -> View:
        return View.empty().put(
            Position(self.epoch, self.revision),
            [view.Entity(view.Key(int(e.kind), e.key), e.payload) for e in self.holds],
        )

    def _update(self, kind: Update.Kind, puts: list[Entity], before: int) -> Update:
        after = self._view()
        return Update(
            kind=kind,
            epoch=self.epoch,
            from_revision=before,
            to_revision=self.revision,
            last=True,
            changes=gzip.compress(Changes(puts=puts).to_binary()),
            hash=after.hash,
            entity_count=len(after),
            resume_token=f"{self.epoch}/{self.revision}".encode(),
        )


FAST = Times(
    timers=Timers(
        hello=5, answer=5, fetch=5, watch_again=0.3, first_wait=0.02, longest_wait=0.1,
        refused_wait=0.2, healthy=60, anew=0.2,
    ),
    first_pause=0.02,
)  # fmt: skip


def new_client(url: str, times: Times = FAST, **settings: Any) -> Client:
    """A client whose times are short."""
    named: dict[str, Any] = {
        "url": url, "access_key": "", "secret_key": "", "environment": "prod", "services": (),
        "cache_dir": "", "instance": "", "audience": "", "log": None,
    }  # fmt: skip
    client = Client.__new__(Client)
    client._begin(resolve(**{**named, **settings}), times)
    return client


class Changed:
    """The changes of a client, as they come."""

    def __init__(self, client: Client) -> None:
        self.seen: queue.Queue[strata.Change] = queue.Queue()
        self._client = client
        self.stop = client.on_change(self.seen.put)

    def until(self, wanted: Callable[[], bool]) -> None:
        """Waits for a change after which something is true."""
        while not wanted():
            self.seen.get(timeout=PATIENCE)

    def until_color(self, color: str) -> None:
        self.until(lambda: color_of(self._client) == color)

    def until_state(self, state: str) -> None:
        self.until(lambda: self._client.status().state == state)


def color_of(client: Client, user: str = "u") -> str:
    return client.evaluate(SERVICE, {"user_id": user}).get_string("color", "none")


def until(client: Client, wanted: Callable[[], bool]) -> None:
    """Waits until something is true that changes with what the client knows."""
    held = client._core.held
    with held.changed:
        assert held.changed.wait_for(wanted, PATIENCE)


def until_dropped(client: Client, count: int) -> None:
    """Waits until so many entries were dropped."""
    outbox = client._core.outbox
    with outbox.changed:
        assert outbox.changed.wait_for(lambda: outbox.dropped >= count, PATIENCE)


def build() -> None:
    if not STRATA.exists():
        subprocess.run(["make", "-C", ROOT, "build"], check=True, capture_output=True)
