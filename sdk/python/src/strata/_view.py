"""An environment's configuration as it travels from servers to their followers.

It is entities, which nobody on the way encodes again, at a position of a history, with
a hash. A View never changes; the next one shares what stays.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple, TypeVar

from strata._engine import Change, Fault, Faults, Kind, Ruleset
from strata._gen.strata.config.v1 import config_pb, entity_pb
from strata._gen.strata.config.v1.entity_pb import EntityKind
from strata._gen.strata.serving.v1.config_pb import Update
from strata._hashtree import Difference, Key, Tree

__all__ = [
    "MAX_PART_BYTES",
    "Difference",
    "Entity",
    "Key",
    "OlderError",
    "Position",
    "Stage",
    "UpdateError",
    "View",
    "ViewFault",
    "ViewFaults",
    "compare",
    "compile_view",
    "decode_part",
]

_MAX_KIND: Final = 255
_MAX_KEY_BYTES: Final = 256

MAX_PART_BYTES: Final = 64 << 20
"""How large the changes of one part may be, decompressed: an experiment of the largest
parameters, many times."""


class Position(NamedTuple):
    """A place in the histories of an environment.

    Later ones are larger: those of a later epoch, and in an epoch those of a later
    revision. The zero Position is before all others.
    """

    epoch: int = 0
    """When the history began, in microseconds since 1970."""
    revision: int = 0
    """Counts in it, from 1."""

    def __str__(self) -> str:
        return f"revision {self.revision} of epoch {self.epoch}"


class Entity:
    """A part of a configuration. It never changes."""

    __slots__ = ("digest", "key", "payload")

    def __init__(self, key: Key, payload: bytes) -> None:
        self.key = key
        self.payload = payload
        """The encoded message."""
        self.digest = sha256(payload).digest()


class UpdateError(Exception):
    """An Update that can not be taken; the follower has to begin anew."""


class OlderError(UpdateError):
    """A server is behind its follower, which therefore keeps what it has."""


class View:
    """A configuration at a position. Any number of threads may use it."""

    __slots__ = ("_tree", "position")

    def __init__(self, position: Position, tree: Tree[Entity]) -> None:
        """For this class alone: see empty and put."""
        self.position = position
        """Where in its history the configuration is."""
        self._tree = tree

    @staticmethod
    def empty() -> View:
        """Return the configuration of nothing, at the zero Position."""
        return _EMPTY

    @property
    def hash(self) -> bytes:
        """The hash of the contents, whatever their position: 32 bytes."""
        return self._tree.hash

    def __len__(self) -> int:
        """Return how many entities there are."""
        return len(self._tree)

    def __bool__(self) -> bool:
        return True  # an empty one is one, too

    def __iter__(self) -> Iterator[Entity]:
        """Yield all entities. The same contents come in the same order."""
        return iter(self._tree)

    def get(self, key: Key) -> Entity | None:
        """Return an entity, None if there is none."""
        return self._tree.get(key)

    def put(self, at: Position, puts: Iterable[Entity] = (), deletes: Iterable[Key] = ()) -> View:
        """Return the configuration at another position, with entities put and others gone.

        Of an entity that is put and gone, the put counts.
        """
        puts, deletes = list(puts), list(deletes)
        return View(at, self._tree.put(puts, deletes) if puts or deletes else self._tree)

    def apply(self, at: Position, changes: entity_pb.Changes) -> View:
        """Do put for changes that have arrived.

        It raises UpdateError for some that can not be from a server of ours.
        """
        return self.put(
            at,
            [
                Entity(_key_of(f"puts[{i}]", e.kind, e.key), e.payload)
                for i, e in enumerate(changes.puts)
            ],
            [_key_of(f"deletes[{i}]", e.kind, e.key) for i, e in enumerate(changes.deletes)],
        )


_EMPTY: Final = View(Position(), Tree())


def _key_of(place: str, kind: int, key: str) -> Key:
    if not 1 <= kind <= _MAX_KIND:
        raise UpdateError(f"{place}: kind {int(kind)}: want 1 to {_MAX_KIND}")
    if key == "":
        raise UpdateError(f"{place}: an entity without a key")
    if (size := len(key.encode())) > _MAX_KEY_BYTES:
        raise UpdateError(f"{place}: a key of {size} bytes: want at most {_MAX_KEY_BYTES}")
    return Key(int(kind), key)


def compare(before: View | None, after: View | None) -> list[Difference[Entity]]:
    """Return what differs between two configurations, by key.

    It takes time in what differs. None is the empty one.
    """
    return (before or _EMPTY)._tree.differences((after or _EMPTY)._tree)


class Stage:
    """Puts the parts of an Update together. It is for one thread.

    What it was put together on stays as it is until the last part has proved right.
    """

    __slots__ = ("_changes", "_first", "_next")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._first: Update | None = None  # None between updates
        self._next = 0  # the part that has to come
        self._changes = entity_pb.Changes()

    def add(self, current: View, update: Update) -> View | None:
        """Take a part.

        After the last one it returns the configuration that the Update leads to from the
        current one; before that, None. It raises UpdateError: then the follower holds
        nothing of the Update, and has to begin anew; for OlderError, at another server or
        later.
        """
        try:
            following = self._add(current, update)
        except UpdateError:
            self._begin()
            raise
        if following is not None:
            self._begin()
        return following

    def _add(self, current: View, update: Update) -> View | None:
        self._check(current, update)
        changes = decode_part(update.changes)
        self._changes.puts.extend(changes.puts)
        self._changes.deletes.extend(changes.deletes)
        if not update.last:
            return None
        base = View.empty() if update.kind == Update.Kind.FULL else current
        following = base.apply(Position(update.epoch, update.to_revision), self._changes)
        if following.hash != update.hash:
            raise UpdateError(
                f"{following.position}: the hash is {following.hash.hex()}, "
                f"and should be {update.hash.hex()}"
            )
        if len(following) != update.entity_count:
            raise UpdateError(
                f"{following.position}: {len(following)} entities, "
                f"and should be {update.entity_count}"
            )
        return following

    def _check(self, current: View, update: Update) -> None:
        """Check what can be known of an Update before its contents."""
        if self._first is not None and _way(update) != _way(self._first):
            raise UpdateError("parts of two updates are mixed")
        if update.part != self._next:
            raise UpdateError(
                f"part {update.part} of an update came where part {self._next} should"
            )
        self._first, self._next = update, self._next + 1
        to, at = Position(update.epoch, update.to_revision), current.position
        if to.revision < 1:
            raise UpdateError(f"an update leads to revision {to.revision}")
        if update.kind == Update.Kind.FULL:
            if to < at:
                raise OlderError(
                    f"the server is behind what is held here: it sends {to}, held is {at}"
                )
        elif update.kind == Update.Kind.DELTA:
            start = Position(update.epoch, update.from_revision)
            if start != at:
                raise UpdateError(f"an update from {start} came, held is {at}")
            if to.revision <= at.revision:
                raise UpdateError(f"an update from {at} leads back to revision {to.revision}")
        else:
            raise UpdateError(f"an update of unknown kind {int(update.kind)}")


def _way(update: Update) -> tuple[int, int, int, int]:
    return int(update.kind), update.epoch, update.from_revision, update.to_revision


def decode_part(part: bytes) -> entity_pb.Changes:
    """Decode one part of an Update. It raises UpdateError."""
    try:
        return entity_pb.Changes.from_binary(_decompress(part))
    except (ValueError, RecursionError):
        raise UpdateError("changes: no valid message") from None


def _decompress(part: bytes) -> bytes:
    """Decompress gzip, of which there may be several members, as far as is allowed."""
    out = []
    room = MAX_PART_BYTES + 1
    while True:
        stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            data = stream.decompress(part, room)
        except zlib.error as e:
            raise UpdateError(f"changes: {e}") from None
        out.append(data)
        room -= len(data)
        if room <= 0:
            limit = MAX_PART_BYTES >> 20
            raise UpdateError(f"changes: larger than {limit} MiB decompressed")
        if not stream.eof:
            raise UpdateError("changes: the end is missing")
        part = stream.unused_data
        if not part:
            return b"".join(out)


@dataclass(frozen=True, slots=True)
class ViewFault:
    """Why a configuration can not be run."""

    key: Key | None
    """Names the entity at fault. It is None if that is no single one."""
    problem: str
    """What is wrong with it."""


class ViewFaults(Exception):
    """A configuration can not be run."""

    def __init__(self, faults: Iterable[ViewFault]) -> None:
        self.faults = tuple(faults)
        """At least one."""
        super().__init__(self.faults)

    def __str__(self) -> str:
        return "\n".join(fault.problem for fault in self.faults)


def compile_view(previous: tuple[View, Ruleset] | None, view: View) -> Ruleset:
    """Make a Ruleset of a configuration from one that runs, with the View that it is of.

    It takes time in what differs between the two. Entities of unknown kinds are passed
    over. It raises ViewFaults, which lists everything that is wrong.
    """
    running, ruleset = previous if previous is not None else (None, None)
    changes = _Changes()
    for difference in compare(running, view):
        changes.add(difference)
    if changes.faults:
        raise ViewFaults(changes.faults)
    try:
        if ruleset is not None:
            return ruleset.apply(changes.change(view.position.revision))
        return Ruleset.compile(None, changes.snapshot(view.position.revision))
    except Faults as e:
        raise ViewFaults(map(_view_fault, e.faults)) from None


class _Changes:
    """The messages in what differs between two configurations."""

    def __init__(self) -> None:
        self.faults: list[ViewFault] = []
        self._layers: list[config_pb.Layer] = []
        self._experiments: list[config_pb.Experiment] = []
        self._fields: list[config_pb.Field] = []
        self._deleted: dict[int, list[str]] = {kind: [] for kind in _KINDS}

    def add(self, difference: Difference[Entity]) -> None:
        key = difference.key
        if difference.after is None:
            if key.kind in self._deleted:
                self._deleted[key.kind].append(key.name)
            return
        try:
            self._put(key, difference.after.payload)
        except _NoMessageError as e:
            self.faults.append(ViewFault(key, f"{_KINDS[key.kind]} {key.name}: {e}"))

    def _put(self, key: Key, payload: bytes) -> None:
        match key.kind:
            case EntityKind.LAYER:
                layer = _decode(config_pb.Layer, payload)
                _check_name(key, layer.layer_id)
                self._layers.append(layer)
            case EntityKind.EXPERIMENT:
                experiment = _decode(config_pb.Experiment, payload)
                _check_name(key, str(experiment.eid))
                self._experiments.append(experiment)
            case EntityKind.FIELD:
                field = _decode(config_pb.Field, payload)
                _check_name(key, field.name)
                self._fields.append(field)

    def change(self, revision: int) -> Change:
        return Change(
            revision=revision,
            layers=tuple(self._layers),
            experiments=tuple(self._experiments),
            fields=tuple(self._fields),
            deleted_layers=tuple(self._deleted[EntityKind.LAYER]),
            # One that is no number was never put.
            deleted_experiments=tuple(
                int(name)
                for name in self._deleted[EntityKind.EXPERIMENT]
                if name.isascii() and name.isdigit()
            ),
            deleted_fields=tuple(self._deleted[EntityKind.FIELD]),
        )

    def snapshot(self, revision: int) -> config_pb.Snapshot:
        return config_pb.Snapshot(
            revision=revision,
            layers=self._layers,
            experiments=self._experiments,
            fields=self._fields,
        )


_KINDS: Final = {
    int(EntityKind.LAYER): Kind.LAYER,
    int(EntityKind.EXPERIMENT): Kind.EXPERIMENT,
    int(EntityKind.FIELD): Kind.FIELD,
}
_KIND_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}


class _NoMessageError(Exception):
    """A payload that is not what its key says."""


M = TypeVar("M", config_pb.Layer, config_pb.Experiment, config_pb.Field)


def _decode(message: type[M], payload: bytes) -> M:
    try:
        return message.from_binary(payload)
    except (ValueError, RecursionError):
        raise _NoMessageError("its payload is no such message") from None


def _check_name(key: Key, name: str) -> None:
    if name != key.name:
        raise _NoMessageError(f'its payload is that of "{name}"')


def _view_fault(fault: Fault) -> ViewFault:
    return ViewFault(Key(_KIND_NUMBERS[fault.kind], fault.id), str(fault))
