"""A radix tree over token ids: which known prompts share how much with a given one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gateway.engine.cache.entry import Entry, Tokens, common_length

EMPTY: Tokens = np.empty(0, dtype=np.int32)


class Node:
    """A stretch of tokens; `stored` counts entries at and below it whose state is held in RAM or on disk."""

    __slots__ = ("children", "depth", "edge", "entries", "parent", "stored")

    def __init__(self, edge: Tokens, parent: Node | None, depth: int) -> None:
        self.edge = edge
        self.parent = parent
        self.depth = depth
        self.children: dict[int, Node] = {}
        self.entries: set[Entry] = set()
        self.stored = 0


class RadixTree:
    """Entries by their tokens. Not thread-safe: the cache that owns it has the lock."""

    def __init__(self) -> None:
        self._root = Node(EMPTY, None, 0)
        self._nodes: dict[Entry, Node] = {}
        self._marked: set[Entry] = set()

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._nodes

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._nodes))

    def insert(self, entry: Entry) -> None:
        """Add an entry under its tokens, or move one whose tokens have changed."""
        if entry in self._nodes:
            self.remove(entry)
        node = self._reach(entry.tokens)
        node.entries.add(entry)
        self._nodes[entry] = node
        self.mark(entry)

    def remove(self, entry: Entry) -> None:
        """Take an entry out; stretches that nobody uses any more go with it."""
        self._count(entry, marked=False)
        node = self._nodes.pop(entry)
        node.entries.discard(entry)
        while node.parent is not None and not node.entries and not node.children:
            del node.parent.children[int(node.edge[0])]
            node = node.parent

    def mark(self, entry: Entry) -> None:
        """Take note of whether an entry's state is stored now."""
        self._count(entry, marked=entry.stored)

    def match(self, tokens: Tokens) -> Iterator[tuple[int, Entry]]:
        """Every entry with the tokens that it shares with these, longest first; those that share nothing come
        last.
        """
        node, depth = self._descend(tokens)
        seen: Node | None = None
        while True:
            for entry in _below(node, without=seen):
                yield depth, entry
            if node.parent is None:
                return
            seen, node = node, node.parent
            depth = node.depth

    def prefixes(self, entry: Entry) -> Iterator[Entry]:
        """All other entries whose whole tokens are a prefix of this one's."""
        node: Node | None = self._nodes[entry]
        while node is not None:
            yield from [other for other in node.entries if other is not entry]
            node = node.parent

    def own_tokens(self, entry: Entry) -> int:
        """Tokens of an entry that no other stored entry has: what evicting it would lose."""
        node: Node | None = self._nodes[entry]
        alone = 1 if entry in self._marked else 0
        while node is not None and node.stored <= alone:
            node = node.parent
        return len(entry.tokens) - (0 if node is None else min(node.depth, len(entry.tokens)))

    def check_integrity(self) -> None:
        """Raise AssertionError unless every node is where its tokens say, and counts are right."""
        for entry, last in self._nodes.items():
            path, node = [], last
            while node.parent is not None:
                path.append(node.edge)
                assert node.parent.children[int(node.edge[0])] is node, "a node is not its parent's child"
                assert node.depth == node.parent.depth + len(node.edge), "a node's depth is wrong"
                node = node.parent
            tokens = np.concatenate([EMPTY, *reversed(path)])
            assert np.array_equal(tokens, entry.tokens), "an entry hangs at other tokens"
        assert self._root.stored == len(self._marked), "stored entries are miscounted"

    def _count(self, entry: Entry, *, marked: bool) -> None:
        if marked is (entry in self._marked):
            return
        self._marked.symmetric_difference_update({entry})
        node: Node | None = self._nodes[entry]
        while node is not None:
            node.stored += 1 if marked else -1
            node = node.parent

    def _descend(self, tokens: Tokens) -> tuple[Node, int]:
        """The last node that these tokens reach, and how many of them agree with what leads there."""
        node, depth = self._root, 0
        while depth < len(tokens):
            child = node.children.get(int(tokens[depth]))
            if child is None:
                break
            shared = common_length(child.edge, tokens[depth:])
            node, depth = child, depth + shared
            if shared < len(child.edge):
                break
        return node, depth

    def _reach(self, tokens: Tokens) -> Node:
        """The node at exactly these tokens, made where it is missing."""
        node, depth = self._descend(tokens)
        if depth < node.depth:
            node = self._split(node, depth)
        if depth < len(tokens):
            child = Node(tokens[depth:].copy(), node, len(tokens))
            node.children[int(tokens[depth])] = child
            node = child
        return node

    def _split(self, node: Node, depth: int) -> Node:
        """Divide a node's stretch at a depth; returns the upper part."""
        assert node.parent is not None
        keep = len(node.edge) - (node.depth - depth)
        # copies: a view would keep all of a prompt that is gone
        upper = Node(node.edge[:keep].copy(), node.parent, depth)
        upper.stored = node.stored
        node.parent.children[int(upper.edge[0])] = upper
        node.edge, node.parent = node.edge[keep:].copy(), upper
        upper.children[int(node.edge[0])] = node
        return upper


def _below(node: Node, without: Node | None) -> Iterator[Entry]:
    """Entries at and below a node, but for one child."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield from current.entries
        waiting += [child for child in current.children.values() if child is not without]
