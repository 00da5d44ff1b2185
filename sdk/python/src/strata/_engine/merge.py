"""How parameters are merged into JSON text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .params import Member, Params


class Slot:
    """A key of a merged object."""

    __slots__ = ("below", "hidden", "match", "member", "owner")

    def __init__(self, match: int, owner: Params, member: Member) -> None:
        self.match = match
        """The contributor that brought it, counted from the one of highest priority."""
        self.owner = owner
        """The object that the key stands in."""
        self.member = member
        self.below: list[tuple[int, Params]] = []
        """The objects that other contributors have under it, if it is one: they are merged."""
        self.hidden: list[tuple[int, Params, Member]] = []
        """What it hides."""

    def objects(self) -> list[tuple[int, Params]]:
        """Return the objects that are merged under the key."""
        child = self.member.child
        return [] if child is None else [(self.match, child), *self.below]


def collect(contributors: Sequence[tuple[int, Params]]) -> dict[str, Slot]:
    """Merge the keys of some objects, highest priority first.

    A key that is not there yet is taken. Where both sides are objects they are to be
    merged, and in every other case what is there stays.
    """
    slots: dict[str, Slot] = {}
    for match, params in contributors:
        for key, member in params.members.items():
            above = slots.get(key)
            if above is None:
                slots[key] = Slot(match, params, member)
            elif above.member.child is not None and member.child is not None:
                above.below.append((match, member.child))
            else:
                above.hidden.append((match, params, member))
    return slots


def merge(contributors: Sequence[tuple[int, Params]]) -> str:
    """Return the merge of some parameters, highest priority first, as JSON text.

    It takes time in the number of their members, not of contributors times members,
    and does not go down the stack, as its caller may be deep down already.
    """
    out: list[str] = []
    open_objects: list[Iterator[Slot]] = []
    _begin(out, open_objects, contributors)
    while open_objects:
        for slot in open_objects[-1]:
            if out[-1] != "{":
                out.append(",")
            member = slot.member
            if not slot.below:
                out.append(slot.owner.text[member.start : member.end])
                continue
            out.append(slot.owner.text[member.start : member.value])
            if _begin(out, open_objects, slot.objects()):
                break
        else:
            open_objects.pop()
            out.append("}")
    return "".join(out)


def _begin(
    out: list[str],
    open_objects: list[Iterator[Slot]],
    contributors: Sequence[tuple[int, Params]],
) -> bool:
    """Begin the merge of some objects, or write it if there is nothing to merge."""
    filled = [c for c in contributors if c[1].members]
    if len(filled) > 1:
        open_objects.append(iter(collect(filled).values()))
        out.append("{")
        return True
    out.append(filled[0][1].json() if filled else "{}")
    return False
