"""A connection that http.client sends and reads on, within deadlines, and that
another thread can end. It holds no lock while it waits; see strata._transport.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import time
import urllib.parse
import urllib.request
from typing import Any


class Wire:
    """A connection to the server, or to a proxy on the way. No tls is http."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.target = ""
        """What stands before the path in a request."""
        self._socket: socket.socket | None = None
        self._reader: _Reader | None = None
        self._deadline = 0.0
        self._shut = False
        proxy = _proxy("http" if tls is None else "https", host)
        at, headers = (host, port), {}
        if proxy is not None:
            at, headers = (proxy.hostname or "", proxy.port or 80), _proxy_headers(proxy)
        if tls is not None:
            self.connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                *at, context=tls
            )
            if proxy is not None:
                self.connection.set_tunnel(host, port, headers)
        else:
            self.connection = http.client.HTTPConnection(*at)
            if proxy is not None:
                named = f"[{host}]" if ":" in host else host
                self.target = f"http://{named}:{port}"
        # This is how http.client lets others open its sockets and read from them.
        self.connection._create_connection = self._create  # type: ignore[attr-defined]
        # It would close them as soon as an answer begins that is the last one.
        self.connection.close = lambda: None  # type: ignore[method-assign]
        self.connection.response_class = self._respond  # type: ignore[assignment]

    def connect(self, deadline: float) -> None:
        """Connects until then, by the monotonic clock. It raises OSError."""
        self._deadline = deadline
        self.connection.connect()

    def until(self, deadline: float) -> None:
        """Says until when everything has to be sent and read."""
        self._deadline = deadline
        if self._reader is not None:
            self._reader.deadline = deadline
        if self.connection.sock is not None:
            self.connection.sock.settimeout(_left(deadline))

    def _create(self, address: tuple[str, int], *_: object) -> socket.socket:
        failure: OSError | None = None
        for family, kind, protocol, _name, at in socket.getaddrinfo(
            *address, type=socket.SOCK_STREAM
        ):
            self._socket = sock = socket.socket(family, kind, protocol)
            try:
                if self._shut:
                    raise ConnectionAbortedError("the client is closed")
                sock.settimeout(_left(self._deadline))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.connect(at)
                return sock
            except OSError as error:
                sock.close()
                failure = error
        raise failure or OSError(f"there is no address of {address[0]}")

    def _respond(self, sock: socket.socket, *args: Any, **named: Any) -> http.client.HTTPResponse:
        self._reader = _Reader(sock, self._deadline)
        return http.client.HTTPResponse(self._reader, *args, **named)  # type: ignore[arg-type]

    def shut(self) -> None:
        """Wakes up who waits for the connection. It is for any thread."""
        self._shut = True
        for sock in (self.connection.sock, self._socket):
            if sock is not None:
                with contextlib.suppress(OSError):
                    # Not the method of an SSLSocket, which would change its state
                    # under the thread that reads.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the connection. It never fails."""
        for sock in (self.connection.sock, self._socket):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()
        http.client.HTTPConnection.close(self.connection)


class _Reader:
    """What http.client reads answers from, until a deadline, and without a lock."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self.deadline = deadline
        self._buffer = bytearray()
        self.closed = False

    def makefile(self, _mode: str) -> _Reader:
        return self

    def _fill(self) -> bool:
        self._socket.settimeout(_left(self.deadline))
        data = self._socket.recv(64 << 10)
        self._buffer += data
        return bool(data)

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def readline(self, limit: int) -> bytes:
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched, limit) + 1
            if end or len(self._buffer) >= limit:
                return self._take(end or limit)
            searched = len(self._buffer)
            if not self._fill():
                return self._take(limit)

    def read(self, count: int | None = None) -> bytes:
        while count is None or len(self._buffer) < count:
            if not self._fill():
                break
        return self._take(len(self._buffer) if count is None else count)

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed = True


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _proxy(scheme: str, host: str) -> urllib.parse.SplitResult | None:
    proxy = urllib.request.getproxies().get(scheme)
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    return urllib.parse.urlsplit(proxy if "://" in proxy else "http://" + proxy)


def _proxy_headers(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    user = urllib.parse.unquote(proxy.username) + ":" + urllib.parse.unquote(proxy.password or "")
    return {"Proxy-Authorization": "Basic " + base64.b64encode(user.encode()).decode()}
