"""What is kept on disk is what was written, or nothing."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from strata._lastgood import Content, Owner, Store, upstream_of
from strata._view import Entity, Key, Position, View

LOG = logging.getLogger("test")
OWNER = Owner("http://a", "prod", ("x", "y"))


def content(revision: int = 1, owner: Owner = OWNER) -> Content:
    view = View.empty().put(
        Position(7, revision),
        [Entity(Key(kind, f"name {i} ä"), bytes(i)) for kind in (1, 2, 255) for i in range(300)],
    )
    return Content(owner, view, b"token")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a" / "b", LOG)


def files(store: Store) -> list[str]:
    return sorted(os.listdir(store._folder))


def test_what_was_written_is_read(store: Store) -> None:
    assert store.load(OWNER) is None
    assert store.write(content())
    read = store.load(OWNER)
    assert read is not None
    assert (read.owner, read.token) == (OWNER, b"token")
    assert (read.view.position, read.view.hash, len(read.view)) == (
        Position(7, 1),
        content().view.hash,
        900,
    )
    assert files(store) == ["current.strata"]
    assert store._folder.stat().st_mode & 0o77 == 0
    assert (store._folder / "current.strata").stat().st_mode & 0o77 == 0


def test_two_generations(store: Store) -> None:
    for revision in (1, 2, 3):
        store.write(content(revision))
    assert files(store) == ["current.strata", "previous.strata"]
    (store._folder / "current.strata").unlink()
    read = store.load(OWNER)
    assert read is not None
    assert read.view.position.revision == 2


@pytest.mark.parametrize(
    "owner",
    [
        Owner("http://b", "prod", ("x", "y")),
        Owner("http://a", "test", ("x", "y")),
        Owner("http://a", "prod", ("x",)),
        Owner("http://a", "prod", ()),
    ],
)
def test_another_owner(store: Store, owner: Owner, caplog: pytest.LogCaptureFixture) -> None:
    store.write(content(1, owner))
    store.write(content(2, owner))
    assert store.load(OWNER) is None
    assert len(caplog.records) == 1
    assert files(store) == ["current.strata", "previous.strata"]
    store.write(content(3))
    read = store.load(OWNER)
    assert read is not None
    # The generation of the other one is not lost at once.
    assert store.load(owner) is not None


def damaged(data: bytes) -> list[bytes]:
    header, body = data[:52], data[52:]
    longer = gzip.compress(gzip.decompress(body) + b"x")
    return [
        b"",
        data[:20],
        data[:-1],
        data + b"x",
        b"x" + data[1:],
        header[:11] + b"\x03" + header[12:] + body,
        data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
        header[:12] + struct.pack(">Q", len(longer)) + hashlib.sha256(longer).digest() + longer,
        header[:12] + struct.pack(">Q", 4) + hashlib.sha256(b"none").digest() + b"none",
    ]


@pytest.mark.parametrize("case", range(9))
def test_a_damaged_file_is_set_aside(store: Store, case: int) -> None:
    store.write(content(1))
    store.write(content(2))
    current = store._folder / "current.strata"
    current.write_bytes(damaged(current.read_bytes())[case])
    read = store.load(OWNER)
    assert read is not None
    assert read.view.position.revision == 1
    found = files(store)
    assert len(found) == 2
    assert found[0].startswith("current.strata.corrupt-")


def test_any_byte_that_differs_is_found(store: Store) -> None:
    small = Content(OWNER, View.empty().put(Position(1, 1), [Entity(Key(1, "a"), b"b")]), b"t")
    store.write(small)
    current = store._folder / "current.strata"
    data = current.read_bytes()
    for i in range(len(data)):
        current.write_bytes(data[:i] + bytes([data[i] ^ 0x10]) + data[i + 1 :])
        assert store.load(OWNER) is None


def test_few_corrupt_files_are_kept(store: Store) -> None:
    for _ in range(7):
        store.write(content())
        (store._folder / "current.strata").write_bytes(b"")
        (store._folder / "previous.strata").unlink(missing_ok=True)
        store.load(OWNER)
    assert len(files(store)) == 4


def test_what_others_left_half_written_is_removed(store: Store) -> None:
    store.write(content())
    old, new = store._folder / "writing-1-old", store._folder / "writing-2-new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    store.load(OWNER)
    assert files(store) == ["current.strata", "writing-2-new"]


def test_what_can_not_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    full = True

    def sync(descriptor: int) -> None:
        if full:
            raise OSError(28, "No space left on device")
        os.fsync(descriptor)

    store = Store(tmp_path / "cache", LOG, sync)
    assert not store.write(content())
    assert not store.write(content())
    assert store.failures == 2
    assert len(caplog.records) == 1
    assert files(store) == []
    full = False
    assert store.write(content())
    assert store.load(OWNER) is not None


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "cache", LOG)
    assert store.load(OWNER) is None
    assert not store.write(content())


def test_where_there_are_no_links(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("strata._lastgood.os.link", link)
    store.write(content(1))
    store.write(content(2))
    assert files(store) == ["current.strata", "previous.strata"]


def test_the_newest_is_written_at_the_end(store: Store) -> None:
    writer = threading.Thread(target=store.run)
    writer.start()
    for revision in range(1, 20):
        store.put(content(revision))
    store.stop()
    writer.join(20)
    read = store.load(OWNER)
    assert read is not None
    assert read.view.position.revision == 19


def test_processes_share_a_folder(tmp_path: Path) -> None:
    program = f"""
import logging, pathlib
from strata._lastgood import Content, Owner, Store
from strata._view import Entity, Key, Position, View
store = Store(pathlib.Path({str(tmp_path / "cache")!r}), logging.getLogger())
owner = Owner("http://a", "prod", ("x", "y"))
for i in range(1, 60):
    view = View.empty().put(Position(1, i), [Entity(Key(1, "a"), bytes(i))])
    assert store.write(Content(owner, view, b"t"))
    assert store.load(owner) is not None
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for writer in writers:
        _, err = writer.communicate(timeout=60)
        assert (writer.returncode, err) == (0, "")
    store = Store(tmp_path / "cache", LOG)
    assert store.load(OWNER) is not None
    assert files(store) == ["current.strata", "previous.strata"]


@pytest.mark.parametrize(
    ("url", "upstream"),
    [
        ("http://Host:80/", "http://host"),
        ("https://host:443/a/b/", "https://host/a/b"),
        ("https://host:80", "https://host:80"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_urls_of_one_server(url: str, upstream: str) -> None:
    assert upstream_of(url) == upstream
