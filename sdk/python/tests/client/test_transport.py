"""Calls over HTTP, and all that can come back."""

from __future__ import annotations

import base64
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import PATIENCE, Owner, Server, hello

from strata import _transport
from strata._accesskey import REQUEST, Signer
from strata._callerror import CallError
from strata._gen.strata.serving.v1.config_pb import (
    ReportStatusRequest,
    ReportStatusResponse,
    WatchRequest,
    WatchResponse,
)
from strata._transport import HTTPTransport, check_url
from strata._transport import Server as At

REPORT = "strata.serving.v1.ConfigService/ReportStatus"
PROTO = b"HTTP/1.1 200 OK\r\nContent-Type: application/proto\r\n"
WATCH = "strata.serving.v1.ConfigService/Watch"


@pytest.fixture
def transport(server: Server) -> Iterator[HTTPTransport]:
    made = HTTPTransport(At(server.url, client="test"))
    yield made
    made.close()


def report(transport: HTTPTransport, timeout: float = PATIENCE) -> ReportStatusResponse:
    return transport.call(REPORT, ReportStatusRequest(), ReportStatusResponse, timeout=timeout)


def refused(transport: HTTPTransport, timeout: float = PATIENCE) -> CallError:
    with pytest.raises(CallError) as failed:
        report(transport, timeout)
    return failed.value


def test_a_connection_is_used_again(server: Server, transport: HTTPTransport) -> None:
    ports = []

    def note(handler: Any, _body: bytes) -> bool:
        ports.append(handler.client_address[1])
        return False

    server.raw = note
    for _ in range(3):
        report(transport)
    assert len(set(ports)) == 1


def test_a_connection_that_has_died_is_made_anew(server: Server, transport: HTTPTransport) -> None:
    def last(handler: Any, _body: bytes) -> bool:
        handler.close_connection = True  # and says nothing of it
        return False

    server.raw = last
    for _ in range(3):
        report(transport)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b"", "unauthenticated"),
        (403, b"<html>", "permission_denied"),
        (404, b"[]", "unimplemented"),
        (429, b"{}", "unavailable"),
        (503, b'{"code": 5}', "unavailable"),
        (500, b"", "unknown"),
        (409, b'{"code": "aborted", "message": "m"}', "aborted"),
        (409, b'{"code": "aborted", "details": 7}', "aborted"),
        (409, b'{"code": "aborted", "details": [7, {"type": "google.rpc.ErrorInfo"}]}', "aborted"),
        (400, b"[" * 100_000, "internal"),
        (302, b"", "unknown"),
    ],
)
def test_answers_that_are_errors(
    server: Server, transport: HTTPTransport, status: int, body: bytes, code: str
) -> None:
    def answer(handler: Any, _body: bytes) -> bool:
        handler.answer(status, "application/json", body, {"Location": "/elsewhere"})
        return True

    server.raw = answer
    assert refused(transport).code == code
    assert server.requests == 1


def error_info(reason: bytes, domain: bytes, **metadata: str) -> str:
    def text(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    data = text(1, reason) + text(2, domain)
    for key, value in metadata.items():
        data += text(3, text(1, key.encode()) + text(2, value.encode()))
    return base64.b64encode(data).decode().rstrip("=")


def test_what_a_server_says_for_programs(server: Server, transport: HTTPTransport) -> None:
    details = [
        {"type": "google.rpc.Other", "value": "!"},
        {"type": "google.rpc.ErrorInfo", "value": error_info(b"R", b"strata", a="1", b="2")},
    ]

    def answer(handler: Any, _body: bytes) -> bool:
        handler.fail(503, "unavailable", details=details)
        return True

    server.raw = answer
    error = refused(transport)
    assert (error.reason, error.metadata) == ("R", {"a": "1", "b": "2"})
    details[1]["value"] = error_info(b"R", b"other")
    assert refused(transport).reason == ""
    details[1]["value"] = "CgVhYg"  # cut off
    assert refused(transport).reason == ""
    endless = (
        b"\x0a" + b"\x80" * 20 + b"\x00" + base64.b64decode(error_info(b"R", b"strata") + "==")
    )
    details[1]["value"] = base64.b64encode(endless).decode()  # a length in too many bytes
    assert refused(transport).reason == ""


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "text/html"}, b""),
        ({"Content-Type": "application/proto", "Content-Encoding": "gzip"}, b""),
        ({"Content-Type": "application/proto"}, b"\xff"),
    ],
)
def test_answers_of_another_kind(
    server: Server, transport: HTTPTransport, headers: dict[str, str], body: bytes
) -> None:
    def answer(handler: Any, _body: bytes) -> bool:
        kind = headers.pop("Content-Type")
        handler.answer(200, kind, body, headers)
        return True

    server.raw = answer
    refused(transport)


def test_an_answer_that_is_too_large(
    server: Server, transport: HTTPTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_transport, "MAX_FETCH_BYTES", 100)

    def answer(handler: Any, _body: bytes) -> bool:
        handler.answer(200, "application/proto", b"x" * 101)
        return True

    server.raw = answer
    assert refused(transport).code == "resource_exhausted"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        PROTO + b"Content-Length: 9\r\n\r\nx",
        PROTO + b"Transfer-Encoding: chunked\r\n\r\n9\r\nx",
        PROTO + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"A: x\r\n" * 200 + b"\r\n",
    ],
)
def test_what_is_no_answer(server: Server, transport: HTTPTransport, data: bytes) -> None:
    def answer(handler: Any, _body: bytes) -> bool:
        handler.wfile.write(data)
        handler.close_connection = True
        return True

    server.raw = answer
    assert refused(transport).code in ("unavailable", "unknown")
    with pytest.raises(CallError):
        transport.stream(WATCH, WatchRequest(), WatchResponse, timeout=PATIENCE)


def test_an_answer_without_a_length(server: Server, transport: HTTPTransport) -> None:
    def answer(handler: Any, _body: bytes) -> bool:
        handler.wfile.write(PROTO + b"\r\n")
        handler.close_connection = True
        return True

    server.raw = answer
    for _ in range(2):
        report(transport)


def test_nobody_answers(server: Server, transport: HTTPTransport) -> None:
    ended = threading.Event()
    server.raw = lambda *_: ended.wait(PATIENCE)
    assert refused(transport, timeout=0.05).code == "deadline_exceeded"
    with pytest.raises(TimeoutError):
        transport.stream(WATCH, WatchRequest(), WatchResponse, timeout=0.05)
    ended.set()


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        transport = HTTPTransport(At(f"http://127.0.0.1:{taken.getsockname()[1]}"))
        assert refused(transport).code == "unavailable"
        with pytest.raises(CallError):
            transport.stream(WATCH, WatchRequest(), WatchResponse, timeout=PATIENCE)


def test_a_host_that_there_is_not() -> None:
    assert refused(HTTPTransport(At("http://nowhere.invalid"))).code == "unavailable"


def test_a_stream(server: Server, transport: HTTPTransport) -> None:
    begun: queue.Queue[Any] = queue.Queue()
    threading.Thread(
        target=lambda: begun.put(
            transport.stream(WATCH, WatchRequest(), WatchResponse, timeout=PATIENCE)
        )
    ).start()
    watch = server.watch()
    watch.hello()
    stream = begun.get(timeout=PATIENCE)
    frame = stream.receive(PATIENCE)
    assert frame is not None
    assert frame.frame is not None
    watch.send(hello())
    watch.end()
    assert stream.receive(PATIENCE) is not None
    assert stream.receive(PATIENCE) is None
    stream.close()
    stream.close()


@pytest.mark.parametrize("begins", [False, True])
def test_another_thread_ends_it(server: Server, transport: HTTPTransport, begins: bool) -> None:
    failures: queue.Queue[Exception] = queue.Queue()

    def follow() -> None:
        try:
            stream = transport.stream(WATCH, WatchRequest(), WatchResponse, timeout=PATIENCE)
            while stream.receive(PATIENCE):
                pass
        except (CallError, TimeoutError) as error:
            failures.put(error)

    threading.Thread(target=follow).start()
    watch = server.watch()
    if begins:
        watch.hello()
    transport.interrupt()
    assert isinstance(failures.get(timeout=PATIENCE), CallError)
    assert refused(transport).code == "unavailable"


def signed(server: Server, owner: Owner, now: Callable[[], float] = time.time) -> HTTPTransport:
    return HTTPTransport(At(server.url + "/a b/", Signer(owner.key, "data-plane", now)))


def test_a_clock_that_is_wrong_is_taken_into_account_once(server: Server, owner: Owner) -> None:
    seen: list[str] = []

    def skewed(handler: Any, _body: bytes) -> bool:
        seen.append(handler.headers["Signature-Input"])
        said = {"Strata-Auth-Error": "clock_skew", "Strata-Server-Time": "5000000"}
        handler.answer(401, "application/json", b'{"code": "unauthenticated"}', said)
        return True

    server.raw = skewed
    transport = signed(server, owner, lambda: 1000.0)
    with pytest.raises(CallError):
        transport.call(
            REPORT, ReportStatusRequest(), ReportStatusResponse, timeout=PATIENCE, profile=REQUEST
        )
    assert [";created=1000;" in seen[0], ";created=5000;" in seen[1]] == [True, True]
    assert len(seen) == 2
    transport.close()


def test_the_path_is_signed_as_it_is_sent(server: Server, owner: Owner) -> None:
    seen: list[tuple[str, str]] = []

    def note(handler: Any, _body: bytes) -> bool:
        seen.append((handler.path, handler.headers["Content-Digest"]))
        return False

    server.raw = note
    transport = signed(server, owner)
    transport.call(
        REPORT, ReportStatusRequest(), ReportStatusResponse, timeout=PATIENCE, profile=REQUEST
    )
    assert seen[0][0] == "/a%20b/" + REPORT
    assert seen[0][1].startswith("sha-256=:")
    transport.close()


def test_a_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    def note(handler: Any, _body: bytes) -> bool:
        seen.append((handler.path, handler.headers.get("Host")))
        return False

    server.raw = note
    monkeypatch.setenv("http_proxy", server.url)
    transport = HTTPTransport(At("http://strata.example.com:8080"))
    report(transport)
    transport.close()
    assert seen == [("http://strata.example.com:8080/" + REPORT, "strata.example.com:8080")]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    direct = HTTPTransport(At(server.url))
    report(direct)
    direct.close()


def test_a_proxy_that_is_none(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:port")
    transport = HTTPTransport(At("http://strata.example.com"))
    assert refused(transport).code == "unavailable"
    with pytest.raises(CallError):
        transport.stream(WATCH, WatchRequest(), WatchResponse, timeout=PATIENCE)
    transport.close()


def test_a_host_whose_name_can_not_be_one() -> None:
    transport = HTTPTransport(At("http://strata..example.com"))
    assert refused(transport).code == "unavailable"
    transport.close()


def test_a_certificate_that_nobody_knows(server: Server) -> None:
    # It does not speak TLS at all, which has to be found as well.
    transport = HTTPTransport(
        At(server.url.replace("http:", "https:"), tls=ssl.create_default_context())
    )
    assert refused(transport).code == "unavailable"
    transport.close()


@pytest.mark.parametrize(
    "url",
    ["host:80", "ftp://host", "http://", "http://host?a=b", "http://host#a", "http://host?", "http://a:b@host",
     "http://host:port", "http://[::1"],
)  # fmt: skip
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="the server's URL"):
        check_url(url)
