"""Keeps the last configuration that ran in a folder, so that a process starts with
it while no server is to be reached.

What is read back is the configuration that was written, whole and of what is asked
for, or nothing; and that nothing can be written is no reason to stop. There are two
generations, current.strata and previous.strata, so that one is whole whenever a
process ends. Several processes may share the folder: each writes to a file of its
own, which then takes the place of the current one, and the last one to do so wins.

A file is as sdk/go/lastgood has it: a header and a body. Numbers of the header are
big-endian:

    magic (8 bytes) || format (4) || length of the body (8) || SHA-256 of the body (32)

The body is gzipped, and in it numbers are varints, zigzag, and bytes follow their
length:

    upstream || environment || services || epoch || revision || hash || token ||
    version of the keys || keys || entities, each as kind || key || payload

where lists follow their length too. An SDK writes no keys, and reads over them.
"""

from __future__ import annotations

import contextlib
import datetime
import gzip
import hashlib
import io
import logging
import os
import struct
import threading
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from strata._view import Entity, Key, Position, View

_CURRENT = "current.strata"
_PREVIOUS = "previous.strata"
_TEMP_PREFIX = "writing-"
_CORRUPT_MARK = ".corrupt-"
_MAX_CORRUPT = 4
"""How many files that were found corrupt are kept, for people."""
_TEMP_AGE = 3600.0
"""How old, in seconds, a file has to be that is taken for one that a process has left
half written. Another process may be writing a newer one."""

_MAGIC = b"strataLG"
_FORMAT = 2
_HEADER = struct.Struct(">8sIQ32s")
_MAX_FILE_BYTES = 1 << 30
_MAX_BODY_BYTES = 4 << 30
_MAX_FIELD_BYTES = 64 << 20

_MIN_PAUSE = 1.0
"""How long nothing is written after a write, in seconds."""
_FAILED_PAUSE = 5.0
"""The same after a write that failed."""
_SHARE = 19
"""How many times as long as a write took nothing is written after it: a large
configuration that is published ten times a second must not keep a processor busy."""


@dataclass(frozen=True)
class Owner:
    """What a configuration has to be of to be used."""

    upstream: str
    """Names the server that it is from; see upstream_of. It stands in logs."""
    environment: str
    services: tuple[str, ...]
    """Those that were asked for, sorted, each once; all if empty."""


@dataclass(frozen=True)
class Content:
    """What is kept."""

    owner: Owner
    view: View
    token: bytes
    """Where to go on from the view."""


def upstream_of(url: str) -> str:
    """Returns the name by which servers are told apart: a valid URL as others may
    write it too, without what only says who asks."""
    at = urllib.parse.urlsplit(url)
    host = (at.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    if at.port is not None and at.port != {"http": 80, "https": 443}.get(at.scheme):
        host += f":{at.port}"
    return f"{at.scheme}://{host}{at.path.rstrip('/')}"


class CorruptError(ValueError):
    """A file is not what was written."""


class Store:
    """Keeps a Content in a folder, which is made when it is first written to. It is
    safe for concurrent use. What is put is written by run, in a thread of its own."""

    def __init__(
        self, folder: Path, log: logging.Logger, sync: Callable[[int], None] = os.fsync
    ) -> None:
        self._folder = folder
        self._log = log
        self._sync = sync
        self._trouble = ""  # the error that was logged last, empty after a success
        self._pending: Content | None = None
        self._wake = threading.Condition()
        self._stopped = False
        self.failures = 0
        """How often writing has failed."""

    def load(self, owner: Owner) -> Content | None:
        """Returns the newest content that is whole and of this owner, if there is one.

        A file that is not whole is set aside under another name. One of another owner
        stays where it is, as a generation like any other, and the log says so once.
        What a process that was killed has left half written is removed.
        """
        self._tidy()
        told = False
        for name in (_CURRENT, _PREVIOUS):
            path = self._folder / name
            try:
                content = _decode(_read(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                self._log.error("a last good configuration can not be read: %s", error)
                continue
            except CorruptError as error:
                self._log.error("a last good configuration is not used: %s: %s", path, error)
                self._set_aside(path)
                continue
            if content.owner == owner:
                return content
            if not told:
                told = True
                self._log.warning(
                    "a last good configuration of another owner is passed over, "
                    "and will be replaced in time: %s is of %s, asked is %s",
                    path,
                    content.owner,
                    owner,
                )
        return None

    def put(self, content: Content) -> None:
        """Has a content written soon. One that was not yet written is replaced: only the
        newest counts."""
        with self._wake:
            self._pending = content
            self._wake.notify()

    def stop(self) -> None:
        """Has run write what is left, and return."""
        with self._wake:
            self._stopped = True
            self._wake.notify()

    def run(self) -> None:
        """Writes what is put, with pauses between, until stop. What could not be written
        is tried again."""
        pause = 0.0
        while True:
            with self._wake:
                if not self._stopped:
                    self._wake.wait_for(lambda: self._stopped, pause)
                self._wake.wait_for(lambda: self._stopped or self._pending is not None)
                content, self._pending = self._pending, None
                stopped = self._stopped
            if content is not None:
                began = time.monotonic()
                written = self.write(content)
                pause = max(
                    _MIN_PAUSE if written else _FAILED_PAUSE, _SHARE * (time.monotonic() - began)
                )
                with self._wake:
                    if not written and self._pending is None:
                        self._pending = content
            if stopped:
                return

    def write(self, content: Content) -> bool:
        """Makes a content the newest one, and reports whether that is on the disk. If it
        fails, what was there before stays."""
        try:
            self._write(content)
        except OSError as error:
            self.failures += 1
            # The name of the file differs from one to the next.
            trouble = error.strerror or str(error)
            if trouble != self._trouble:
                self._trouble = trouble
                self._log.error(
                    "the last good configuration can not be written, an older one stays: %s", error
                )
            return False
        if self._trouble:
            self._trouble = ""
            self._log.info("the last good configuration can be written again")
        return True

    def _write(self, content: Content) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temp = self._folder / f"{_TEMP_PREFIX}{os.getpid()}-{id(self):x}"
        try:
            descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                _encode(file, content)
                file.flush()
                self._sync(file.fileno())
            with contextlib.suppress(FileNotFoundError):  # there is none yet
                self._step_back()
            os.replace(temp, self._folder / _CURRENT)
        except BaseException:
            with contextlib.suppress(OSError):
                temp.unlink()
            raise
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            self._sync(folder)
        finally:
            os.close(folder)

    def _step_back(self) -> None:
        """Makes the current file the previous one, too."""
        current, previous = self._folder / _CURRENT, self._folder / _PREVIOUS
        spare = self._folder / f"{_TEMP_PREFIX}{os.getpid()}-{id(self):x}-previous"
        with contextlib.suppress(FileNotFoundError):
            spare.unlink()
        try:
            # By a link, so that there is a current file at any time, also for those
            # who share the folder.
            os.link(current, spare)
        except FileNotFoundError:
            raise
        except OSError:
            os.replace(current, previous)  # there are no links here
        else:
            os.replace(spare, previous)
            # Where another process has done the same, both were one file, and stay.
            with contextlib.suppress(FileNotFoundError):
                spare.unlink()

    def _names(self, wanted: Callable[[str], bool]) -> list[str]:
        try:
            return [name for name in os.listdir(self._folder) if wanted(name)]
        except OSError:
            return []  # there is nothing to be found where nothing can be read

    def _tidy(self) -> None:
        for name in self._names(lambda name: name.startswith(_TEMP_PREFIX)):
            path = self._folder / name
            with contextlib.suppress(OSError):  # else the next one tries again
                if time.time() - path.stat().st_mtime > _TEMP_AGE:
                    path.unlink()

    def _set_aside(self, path: Path) -> None:
        now = datetime.datetime.now(datetime.UTC)
        try:
            path.rename(path.with_name(f"{path.name}{_CORRUPT_MARK}{now:%Y%m%dT%H%M%S.%f}000"))
        except OSError as error:
            self._log.error("a file that is not used stays where it is: %s", error)
            return
        found = self._names(lambda name: _CORRUPT_MARK in name)
        found.sort(key=lambda name: name.partition(_CORRUPT_MARK)[2], reverse=True)
        for name in found[_MAX_CORRUPT:]:
            with contextlib.suppress(OSError):  # else the next one tries again
                (self._folder / name).unlink()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES + 1)


def _encode(file: BinaryIO, content: Content) -> None:
    body = io.BytesIO()
    with gzip.GzipFile(fileobj=body, mode="wb", compresslevel=1, mtime=0) as compressed:
        for piece in _pieces(content):
            compressed.write(piece)
    data = body.getvalue()
    file.write(_HEADER.pack(_MAGIC, _FORMAT, len(data), hashlib.sha256(data).digest()))
    file.write(data)


def _pieces(content: Content) -> Iterator[bytes]:
    owner, view = content.owner, content.view
    yield _field(owner.upstream.encode())
    yield _field(owner.environment.encode())
    yield _number(len(owner.services))
    for service in owner.services:
        yield _field(service.encode())
    yield _number(view.position.epoch)
    yield _number(view.position.revision)
    yield _field(view.hash)
    yield _field(content.token)
    yield _number(0)
    yield _number(0)
    yield _number(len(view))
    for entity in view:
        yield _number(entity.key.kind)
        yield _field(entity.key.name.encode())
        yield _field(entity.payload)


def _number(value: int) -> bytes:
    value = value << 1 if value >= 0 else (~value << 1) | 1
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def _field(data: bytes) -> bytes:
    return _number(len(data)) + data


def _decode(data: bytes) -> Content:
    """Returns the content that was written, or raises CorruptError."""
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        raise CorruptError("it is no last good configuration")
    _, kind, length, digest = _HEADER.unpack_from(data)
    body = memoryview(data)[_HEADER.size :]
    if kind != _FORMAT:
        raise CorruptError(f"its format is {kind}, and should be {_FORMAT}")
    if length != len(body):
        raise CorruptError(f"its body has {len(body)} bytes, and should have {length}")
    if hashlib.sha256(body).digest() != digest:
        raise CorruptError("its body is not the one that was written")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body), mode="rb") as file:
            reader = _Reader(file)
            content = reader.content()
            if file.read(1):
                raise CorruptError("its body: there is more after the end")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise CorruptError(f"its body: {error}") from error
    return content


class _Reader:
    """Reads a body. It raises ValueError."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._left = _MAX_BODY_BYTES

    def content(self) -> Content:
        upstream, environment = self._text(), self._text()
        services = tuple(self._text() for _ in range(self._count()))
        position = Position(self._number(), self._number())
        digest, token = self._bytes(), self._bytes()
        self._number()  # version of the keys
        for _ in range(self._count()):
            self._bytes()
        puts = [
            Entity(Key(self._number(), self._text()), self._bytes()) for _ in range(self._count())
        ]
        view = View.empty().put(position, puts)
        if len(view) != len(puts):
            raise ValueError("entities are repeated")
        if view.hash != digest:
            raise ValueError(
                f"the hash of the configuration is {view.hash.hex()}, and should be {digest.hex()}"
            )
        return Content(Owner(upstream, environment, services), view, token)

    def _read(self, count: int) -> bytes:
        self._left -= count
        data = self._file.read(count) if self._left >= 0 else b""
        if len(data) < count:
            raise ValueError("it ends too early, or is too large")
        return data

    def _number(self) -> int:
        value = shift = 0
        while True:
            byte = self._read(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 63:
                raise ValueError("a number that is too large")
        return value >> 1 if value & 1 == 0 else ~(value >> 1)

    def _count(self) -> int:
        count = self._number()
        if count < 0:
            raise ValueError("a list of negative length")
        return count

    def _bytes(self) -> bytes:
        count = self._number()
        if not 0 <= count <= _MAX_FIELD_BYTES:
            raise ValueError(f"a field of {count} bytes")
        return self._read(count)

    def _text(self) -> str:
        return self._bytes().decode()
