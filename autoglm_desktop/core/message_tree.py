"""A conversation's messages as a tree: each has a parent or is a first one; siblings are versions of each other.

The head is the message the transcript ends with; the path from the first message to it is what is shown. Ids grow with
time. Pure; linear in the number of messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tree:
    """``parents``: id → parent or None, in ascending order; ``children``: parent or None → ids, oldest first."""

    parents: Mapping[int, int | None]
    children: Mapping[int | None, tuple[int, ...]]


def tree_of(links: Iterable[tuple[int, int | None]]) -> Tree:
    """A tree of (id, parent) pairs. A parent that is missing or not older than its child counts as None, so that no
    damage can make a ring."""
    pairs = sorted(links)
    known = {message for message, _parent in pairs}
    parents: dict[int, int | None] = {}
    children: dict[int | None, list[int]] = {}
    for message, parent in pairs:
        above = parent if parent is not None and parent < message and parent in known else None
        parents[message] = above
        children.setdefault(above, []).append(message)
    return Tree(parents, {parent: tuple(found) for parent, found in children.items()})


def path(tree: Tree, head: int | None) -> tuple[int, ...]:
    """The transcript: from the first message to the head. A head that is missing: the newest message."""
    if not tree.parents:
        return ()
    at: int | None = head if head in tree.parents else next(reversed(tree.parents))
    found: list[int] = []
    while at is not None:
        found.append(at)
        at = tree.parents[at]
    return tuple(reversed(found))


def versions(tree: Tree, message: int) -> tuple[int, ...]:
    """The message and its siblings, oldest first; empty where it is the only one."""
    found = tree.children[tree.parents[message]]
    return found if len(found) > 1 else ()


def newest_below(tree: Tree, message: int) -> int:
    """Where the transcript ends when a version is chosen: always its newest child."""
    while message in tree.children:
        message = tree.children[message][-1]
    return message


def below(tree: Tree, messages: Iterable[int]) -> tuple[int, ...]:
    """These messages and everything that follows them, in ascending order."""
    found: list[int] = []
    left = list(messages)
    while left:
        message = left.pop()
        found.append(message)
        left.extend(tree.children.get(message, ()))
    return tuple(sorted(found))
