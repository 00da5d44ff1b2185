"""Which paths there are."""

from __future__ import annotations

from collections.abc import Iterable

from .params import Params
from .path import join_path


class Outline:
    """The paths at which some parameters have values.

    They are those of all variants of an experiment, or of all experiments of a
    service.
    """

    __slots__ = ("children", "leaf")

    def __init__(self) -> None:
        self.leaf = False
        """A value here is no object. Others may be one."""
        self.children: dict[str, Outline] = {}

    def add(self, params: Params) -> None:
        todo = [(self, params)]
        while todo:
            outline, params = todo.pop()
            for key, member in params.members.items():
                child = outline._child(key)
                if member.child is None:
                    child.leaf = True
                else:
                    todo.append((child, member.child))

    def join(self, other: Outline) -> None:
        todo = [(self, other)]
        while todo:
            outline, other = todo.pop()
            outline.leaf = outline.leaf or other.leaf
            todo.extend((outline._child(key), child) for key, child in other.children.items())

    def _child(self, key: str) -> Outline:
        child = self.children.get(key)
        if child is None:
            child = self.children[key] = Outline()
        return child

    def has(self, keys: Iterable[str]) -> bool:
        """Report whether there is a value at a path."""
        at: Outline | None = self
        for key in keys:
            at = at.children.get(key)  # type: ignore[union-attr]
            if at is None:
                return False
        return True

    def leaf_paths(self) -> list[str]:
        """Return the paths of all leaves, in order, but for one that has none.

        The empty path is not that of the empty key.
        """
        paths = set()
        todo: list[tuple[tuple[str, ...], Outline]] = [((), self)]
        while todo:
            keys, outline = todo.pop()
            if outline.leaf:
                paths.add(join_path(keys))
            todo.extend(((*keys, key), child) for key, child in outline.children.items())
        return sorted(paths - {""})
