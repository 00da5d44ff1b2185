"""Calls of Connect over HTTP/1.1, by the standard library.

The generated clients are not used here: the HTTP client under them runs threads
of its own, which a process that was forked does not have, so that its calls never
end there. Servers such as gunicorn fork after the application was loaded.

Nothing in here holds a lock while it waits for the network, for the same reason:
a lock that another thread holds at a fork stays locked in the child for good.
That is why answers are read by a reader of our own and not by io.BufferedReader.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import struct
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from protobuf import Message

from strata._accesskey import SESSION, Profile, Signer
from strata._callerror import CallError, broken, error_in, error_of, json_object
from strata._gate import GATE
from strata._wire import Wire

MAX_FRAME_BYTES = 65 << 20
"""How large a frame may be: a part of 64 MiB that gzip could do nothing about, and
what stands around it."""
MAX_FETCH_BYTES = 4 * MAX_FRAME_BYTES
"""How large all frames of a fetch may be."""

_MAX_ERROR_BYTES = 1 << 20
_UNARY_TYPE = "application/proto"
_STREAM_TYPE = "application/connect+proto"
_COMPRESSED, _END = 1, 2  # flags of an envelope
_FAILURES = (OSError, http.client.HTTPException, ValueError)
"""What a connection raises. ValueError is for names and URLs that can not be right, such
as that of a proxy."""

Answer = TypeVar("Answer", bound=Message[Any])
Frame_co = TypeVar("Frame_co", bound=Message[Any], covariant=True)


class Stream(Protocol[Frame_co]):
    """The messages of a server, for one thread."""

    def receive(self, timeout: float) -> Frame_co | None:
        """Returns the next message, and None after the last one.

        It raises TimeoutError if that does not come whole in time, in seconds, and
        CallError if the call has failed.
        """

    def close(self) -> None:
        """Ends the stream. It never fails."""


class Transport(Protocol):
    """Calls of a server, for one thread but for interrupt."""

    def call(
        self,
        procedure: str,
        request: Message[Any],
        answer: type[Answer],
        *,
        timeout: float,
        profile: Profile = SESSION,
    ) -> Answer:
        """Makes a call that has to end within so many seconds.

        The procedure is such as "strata.serving.v1.ConfigService/Fetch", and the
        profile that of its signature. It raises CallError.
        """

    def stream(
        self, procedure: str, request: Message[Any], answer: type[Answer], *, timeout: float
    ) -> Stream[Answer]:
        """Begins a call that is answered by a stream.

        To connect may take half of the seconds at most. It raises TimeoutError if
        the connection is there but no answer begins, and CallError.
        """

    def interrupt(self) -> None:
        """Has what is under way fail soon, and all that comes later at once."""

    def close(self) -> None:
        """Frees what no call needs any more."""


@dataclass(frozen=True)
class Server:
    """Where calls go to, and how they are signed."""

    url: str
    """Without a query and a fragment, as check_url demands."""
    signer: Signer | None = None
    client: str = ""
    """The caller's software and its version."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """For https. None is the default of the standard library."""


def check_url(url: str) -> None:
    """Raises ValueError for what is not the URL of a server."""
    try:
        at = urllib.parse.urlsplit(url)
        _ = at.port  # is read only here
    except ValueError as error:
        raise ValueError(f"the server's URL: {error}") from None
    if at.scheme not in ("http", "https") or not at.hostname:
        raise ValueError("the server's URL is not one: want one such as https://strata.example.com")
    if at.query or at.fragment or "?" in url or "#" in url:
        raise ValueError("the server's URL has a query or a fragment: want one without")
    if at.username is not None or at.password is not None:
        raise ValueError("the server's URL has a user or a password: want one without")


class HTTPTransport:
    """Calls over HTTP/1.1: one connection for each stream, another for all else.

    Redirects are not followed: what is behind them may be another server. Proxies
    are those of the environment variables that urllib knows.
    """

    def __init__(self, server: Server) -> None:
        at = urllib.parse.urlsplit(server.url)
        self._server = server
        self._secure = at.scheme == "https"
        self._tls = server.tls
        self._host = at.hostname or ""
        self._port = at.port or (443 if self._secure else 80)
        self._prefix = urllib.parse.quote(at.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        self._idle: Wire | None = None
        self._open: set[Wire] = set()
        self._interrupted = False

    def call(
        self,
        procedure: str,
        request: Message[Any],
        answer: type[Answer],
        *,
        timeout: float,
        profile: Profile = SESSION,
    ) -> Answer:
        deadline = time.monotonic() + timeout
        wire, self._idle = self._idle, None
        try:
            wire, response = self._send(
                wire, procedure, _UNARY_TYPE, _encode(request), profile, deadline, timeout
            )
            with contextlib.ExitStack() as stack:
                stack.callback(self._forget, wire)
                data = _read_up_to(
                    response, MAX_FETCH_BYTES if response.status == 200 else _MAX_ERROR_BYTES
                )
                if response.status != 200:
                    raise error_of(response.status, data)
                _expect(response, _UNARY_TYPE)
                message = _decode(answer, data)
                if not response.will_close:
                    stack.pop_all()
                    self._idle = wire
                return message
        except TimeoutError:
            raise CallError("deadline_exceeded", f"no answer within {timeout:g} s") from None
        except _FAILURES as error:
            raise broken(error) from error

    def stream(
        self, procedure: str, request: Message[Any], answer: type[Answer], *, timeout: float
    ) -> Stream[Answer]:
        deadline = time.monotonic() + timeout
        data = _encode(request)
        envelope = struct.pack(">BI", 0, len(data)) + data
        wire: Wire | None = None
        try:
            wire, response = self._send(
                None, procedure, _STREAM_TYPE, envelope, SESSION, deadline, timeout
            )
            if response.status != 200:
                raise error_of(response.status, _read_up_to(response, _MAX_ERROR_BYTES))
            _expect(response, _STREAM_TYPE)
        except BaseException as error:
            if wire is not None:
                self._forget(wire)
            if isinstance(error, TimeoutError) or not isinstance(error, _FAILURES):
                raise
            raise broken(error) from error
        return _HTTPStream(self, wire, response, answer)

    def _send(
        self,
        wire: Wire | None,
        procedure: str,
        content_type: str,
        content: bytes,
        profile: Profile,
        deadline: float,
        timeout: float,
    ) -> tuple[Wire, http.client.HTTPResponse]:
        """Sends a request, and returns what answers as soon as that has begun.

        A connection that was used before may be dead, in which case another one is
        made; and a server that does not agree on the time is asked once more.
        """
        corrected = False
        while True:
            reused = wire is not None
            wire = wire or self._connect(min(deadline, time.monotonic() + timeout / 2))
            try:
                response = self._exchange(wire, procedure, content_type, content, profile, deadline)
                signer = self._server.signer
                if corrected or signer is None or not signer.correct(response.headers):
                    return wire, response
                corrected = True
            except (ConnectionError, ssl.SSLError, http.client.BadStatusLine):
                self._forget(wire)
                if not reused:
                    raise
                wire = None
                continue
            except BaseException:
                self._forget(wire)
                raise
            self._forget(wire)
            wire = None

    def _exchange(
        self,
        wire: Wire,
        procedure: str,
        content_type: str,
        content: bytes,
        profile: Profile,
        deadline: float,
    ) -> http.client.HTTPResponse:
        path = f"{self._prefix}/{procedure}"
        headers = {
            "Content-Type": content_type,
            "Connect-Protocol-Version": "1",
            "User-Agent": self._server.client,
        }
        if self._server.signer is not None:
            with GATE:
                headers |= self._server.signer.headers(profile, "POST", path, content_type, content)
        wire.until(deadline)
        wire.connection.request("POST", wire.target + path, content, headers)
        return wire.connection.getresponse()

    def _connect(self, deadline: float) -> Wire:
        if self._interrupted:
            raise ConnectionAbortedError("the client is closed")
        if self._secure and self._tls is None:
            # Here and not before, as it takes longer than evaluations may wait, which
            # begin to follow in a process that was forked.
            self._tls = ssl.create_default_context()
        wire = Wire(self._host, self._port, self._tls if self._secure else None)
        self._open.add(wire)
        try:
            wire.connect(deadline)
        except BaseException as error:
            self._forget(wire)
            if isinstance(error, TimeoutError):
                # Of a connection that is not there, others must not think that
                # something on the way holds back what it answers.
                raise ConnectionError(
                    f"no connection to {self._host}:{self._port} in time"
                ) from None
            raise
        if self._interrupted:
            self._forget(wire)
            raise ConnectionAbortedError("the client is closed")
        return wire

    def _forget(self, wire: Wire) -> None:
        wire.close()
        self._open.discard(wire)

    def interrupt(self) -> None:
        self._interrupted = True
        for wire in tuple(self._open):
            wire.shut()

    def abandon(self) -> None:
        """Closes, in a process that was forked, what the parent uses. That goes on there."""
        for wire in tuple(self._open):
            wire.close()

    def close(self) -> None:
        self._idle = None
        for wire in tuple(self._open):
            self._forget(wire)


class _HTTPStream(Generic[Answer]):
    def __init__(
        self,
        transport: HTTPTransport,
        wire: Wire,
        response: http.client.HTTPResponse,
        answer: type[Answer],
    ) -> None:
        self._transport = transport
        self._wire = wire
        self._response = response
        self._answer = answer

    def receive(self, timeout: float) -> Answer | None:
        self._wire.until(time.monotonic() + timeout)
        try:
            flags, length = struct.unpack(">BI", _read_exactly(self._response, 5))
            if length > MAX_FRAME_BYTES:
                raise CallError(
                    "resource_exhausted",
                    f"a frame of {length} bytes: want at most {MAX_FRAME_BYTES}",
                )
            data = _read_exactly(self._response, length)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise broken(error) from error
        if flags & _COMPRESSED:
            raise CallError("internal", "a compressed frame came, which was not asked for")
        if not flags & _END:
            return _decode(self._answer, data)
        end = json_object(data)
        if "error" in end:
            raise error_in(end["error"], "unknown")
        return None

    def close(self) -> None:
        self._transport._forget(self._wire)


def _read_exactly(response: http.client.HTTPResponse, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = response.read(count - len(data))
        if not piece:
            raise http.client.IncompleteRead(bytes(data), count - len(data))
        data += piece
    return bytes(data)


def _read_up_to(response: http.client.HTTPResponse, limit: int) -> bytes:
    expected = response.length
    data = bytearray()
    while len(data) <= limit:
        piece = response.read(min(1 << 20, limit + 1 - len(data)))
        if not piece:
            if expected is not None and len(data) < expected:
                raise http.client.IncompleteRead(bytes(data), expected - len(data))
            return bytes(data)
        data += piece
    raise CallError("resource_exhausted", f"the answer is larger than {limit} bytes")


def _expect(response: http.client.HTTPResponse, content_type: str) -> None:
    got = response.headers.get("Content-Type", "")
    if got.partition(";")[0].strip().lower() != content_type:
        raise CallError("unknown", f"the answer is of type {got!r}: want {content_type!r}")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise CallError("internal", f"the answer is in {encoding!r}, which was not asked for")


def _encode(request: Message[Any]) -> bytes:
    with GATE:
        return request.to_binary()


def _decode(answer: type[Answer], data: bytes) -> Answer:
    try:
        with GATE:
            return answer.from_binary(data)
    except Exception as error:
        raise CallError("internal", f"the answer is no valid message: {error}") from error
