"""Calls over TLS, straight and through a proxy."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support import PATIENCE, History, Server, color_of, entities, hello, new_client
from test_fork import in_child
from test_transport import REPORT

from strata._callerror import CallError
from strata._gen.strata.serving.v1.config_pb import ReportStatusRequest, ReportStatusResponse
from strata._transport import HTTPTransport
from strata._transport import Server as At


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, None)
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + made.public_bytes(Encoding.PEM)
    )
    return file


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Server()
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    server.url = server.url.replace("http:", "https:")
    yield server
    server.close()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def call(url: str) -> None:
    transport = HTTPTransport(At(url))
    try:
        transport.call(REPORT, ReportStatusRequest(), ReportStatusResponse, timeout=PATIENCE)
    finally:
        transport.close()


def test_a_server_that_is_not_trusted(secure: Server) -> None:
    with pytest.raises(CallError, match="certificate"):
        call(secure.url)
    assert secure.requests == 0


def test_a_server_of_another_name(secure: Server, trusted: None) -> None:
    with pytest.raises(CallError, match="certificate"):
        call(secure.url.replace("127.0.0.1", "localhost"))
    assert secure.requests == 0


def test_a_client(secure: Server, trusted: None) -> None:
    history = History()
    history.publish(entities("red"))
    with new_client(secure.url) as client:
        secure.watch().send(hello(30), history.full(), history.heartbeat())
        client.ready(PATIENCE)
        assert color_of(client) == "red"
        assert secure.reports.get(timeout=PATIENCE).stream_id == "stream"
    assert not [t for t in client._core._threads if t.is_alive()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_leaves_the_connection_of_its_parent_alone(secure: Server, trusted: None) -> None:
    history = History()
    history.publish(entities("red"))
    with new_client(secure.url) as client:
        watch = secure.watch()
        watch.send(hello(30), history.full(), history.heartbeat())
        client.ready(PATIENCE)

        def work() -> None:
            assert color_of(client) == "red"
            client.close()

        in_child(work)()
        told = threading.Event()
        client.on_change(lambda change: told.set() if change.revision_after == 2 else None)
        watch.send(history.publish(entities("blue")))
        assert told.wait(PATIENCE)
        assert color_of(client) == "blue"


class _Tunnel(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_CONNECT(self) -> None:
        self.seen.append((self.path, self.headers.get("Proxy-Authorization")))
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as upstream:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(upstream, self.connection))
            back.start()
            _copy(self.connection, upstream)
            back.join()
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_a_tunnel(secure: Server, trusted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Tunnel) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,)).start()
        monkeypatch.setenv("https_proxy", f"http://ann:s%20t@127.0.0.1:{proxy.server_address[1]}")
        call(secure.url)
        proxy.shutdown()
    assert _Tunnel.seen == [(secure.url.removeprefix("https://"), "Basic YW5uOnMgdA==")]
    assert secure.requests == 1
