"""Named contents whose hash is known at any time.

A changed copy costs what is changed, and two trees are compared in the time of what
differs. The layout is part of the contract between servers and their followers in
every language: see strata.config.v1.Entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

_LEAVES: Final = 256


class Key(NamedTuple):
    """Names an item. Keys are ordered by kind, then by name in byte order."""

    kind: int
    """1 to 255."""
    name: str

    def leaf(self) -> int:
        """Return the number of the leaf that the item stands in."""
        return sha256(bytes((self.kind,)) + self.name.encode()).digest()[0]


class Item(Protocol):
    """What a tree holds. It never changes."""

    @property
    def key(self) -> Key: ...

    @property
    def digest(self) -> bytes:
        """The SHA-256 of its contents."""
        ...


T = TypeVar("T", bound=Item)


class _Leaf(Generic[T]):
    """Some of the items, by key."""

    __slots__ = ("digest", "items")

    def __init__(self, items: dict[Key, T]) -> None:
        self.items = items
        parts = []
        for key, item in items.items():
            name = key.name.encode()
            parts += [bytes((key.kind,)), len(name).to_bytes(4, "big"), name, item.digest]
        self.digest = sha256(b"".join(parts)).digest()


@dataclass(frozen=True, slots=True)
class Difference(Generic[T]):
    """An item that two trees do not have in common; None where one has none."""

    key: Key
    before: T | None
    after: T | None


class Tree(Generic[T]):
    """A hash tree of two levels. It never changes.

    An item stands in the leaf that the first byte of the SHA-256 of its kind and name
    numbers; a leaf is sorted by key, and its digest is the SHA-256 of, for each item,

        kind (1 byte) || length of name (4 bytes) || name || digest of contents

    with numbers in big-endian order. The hash is the SHA-256 of the digests of all
    leaves. An empty leaf's digest is that of no bytes.
    """

    __slots__ = ("_leaves", "_size", "hash")

    def __init__(self, leaves: list[_Leaf[T]] | None = None) -> None:
        """Make an empty tree; leaves are for this class alone."""
        self._leaves = leaves or [_Leaf[T]({})] * _LEAVES
        self._size = sum(len(leaf.items) for leaf in self._leaves)
        self.hash = sha256(b"".join(leaf.digest for leaf in self._leaves)).digest()

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        """Yield all items: leaf by leaf, in each by key. The same come in the same order."""
        for leaf in self._leaves:
            yield from leaf.items.values()

    def get(self, key: Key) -> T | None:
        """Return an item, None if there is none."""
        return self._leaves[key.leaf()].items.get(key)

    def put(self, puts: Iterable[T], deletes: Iterable[Key]) -> Tree[T]:
        """Return a tree with items put, each instead of the one of its key, and others gone.

        Of an item that is put and gone, the put counts.
        """
        opened: dict[int, dict[Key, T]] = {}

        def items(key: Key) -> dict[Key, T]:
            i = key.leaf()
            if i not in opened:
                opened[i] = self._leaves[i].items.copy()
            return opened[i]

        for key in deletes:
            items(key).pop(key, None)
        for item in puts:
            items(item.key)[item.key] = item
        leaves = self._leaves.copy()
        for i, changed in opened.items():
            leaves[i] = _Leaf(dict(sorted(changed.items(), key=lambda pair: pair[0])))
        return Tree(leaves)

    def differences(self, after: Tree[T]) -> list[Difference[T]]:
        """Return what differs in another tree, by key.

        Items that are one, or of equal digests, do not differ.
        """
        found = []
        for a, b in zip(self._leaves, after._leaves, strict=True):
            if a.digest == b.digest:
                continue
            for key in a.items.keys() | b.items.keys():
                old, new = a.items.get(key), b.items.get(key)
                if old is None or new is None or old.digest != new.digest:
                    found.append(Difference(key, old, new))
        return sorted(found, key=lambda d: d.key)
