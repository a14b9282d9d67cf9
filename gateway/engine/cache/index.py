"""The index of every known prompt, by tokens and by conversation, whether its state is still held or not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from gateway.engine.cache.entry import Entry, Origin, Tokens, common_length
from gateway.engine.cache.reasons import Comparison, Prompt, compare
from gateway.engine.cache.tree import RadixTree
from telemetry.events import CacheSource

MAX_MEMORIES = 1024
"""Prompts remembered without their state, to tell why they are missing; the oldest are forgotten."""

MAX_MEMORY_TOKENS = 1_000_000
"""Tokens of all of those: 9 MiB, since the tree has them once more, and kernels take a byte each."""


class PromptIndex:
    """One radix tree per namespace (adapter). Not thread-safe: the cache that owns it has the lock."""

    def __init__(self) -> None:
        self._trees: dict[str, RadixTree] = {}
        self._memories: OrderedDict[Entry, int] = OrderedDict()
        """With the tokens of each, the oldest first."""
        self._memory_tokens = 0
        self._conversations: dict[str, Entry] = {}
        self._openings: dict[int, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        for tree in self._trees.values():
            yield from tree

    def __contains__(self, entry: Entry) -> bool:
        return entry in self.tree(entry.namespace)

    def tree(self, namespace: str) -> RadixTree:
        """The tree of one namespace."""
        return self._trees.setdefault(namespace, RadixTree())

    def others(self, namespace: str) -> Iterator[RadixTree]:
        """The trees of all other namespaces."""
        return (tree for name, tree in self._trees.items() if name != namespace)

    def add(self, entry: Entry) -> None:
        """Make a prompt known, or known under its present tokens when they have grown."""
        self.tree(entry.namespace).insert(entry)
        self.recall(entry)
        if entry.origin.conversation:
            self._conversations[entry.origin.conversation] = entry
        if entry.origin.opening:
            self._openings[entry.origin.opening] = entry

    def remember(self, entry: Entry, tier: str, now_ns: int) -> None:
        """Keep the memory of an entry whose state is gone, and forget the oldest memories when they are too
        many or too long.
        """
        self.recall(entry)
        entry.lost, entry.lost_ns = tier, now_ns
        self._memories[entry] = len(entry.tokens)
        self._memory_tokens += len(entry.tokens)
        while len(self._memories) > MAX_MEMORIES or self._memory_tokens > MAX_MEMORY_TOKENS:
            self.forget(next(iter(self._memories)))

    def recall(self, entry: Entry) -> None:
        """An entry is no mere memory (any more): some tier has its state."""
        self._memory_tokens -= self._memories.pop(entry, 0)

    def forget(self, entry: Entry) -> None:
        """Know a prompt no longer."""
        self.recall(entry)
        if entry in self:
            self.tree(entry.namespace).remove(entry)
        if self._conversations.get(entry.origin.conversation) is entry:
            del self._conversations[entry.origin.conversation]
        if self._openings.get(entry.origin.opening) is entry:
            del self._openings[entry.origin.opening]

    def compare(self, prompt: Prompt, namespace: str, origin: Origin) -> Comparison:
        """Compare with the nearest known prompt: of its conversation if that is known, else by tokens."""
        common, nearest = next(self.tree(namespace).match(prompt.tokens), (0, None))
        known = self._conversations.get(origin.conversation) if origin.conversation else None
        if known is None and prompt.spans and common < prompt.spans[0].end:
            known = self._openings.get(origin.opening)  # the same first question under another first message
        if known is None or known.namespace != namespace:
            return _named(compare(prompt, nearest, common, same_conversation=False), nearest)
        common = common_length(known.tokens, prompt.tokens)
        return _named(compare(prompt, known, common, same_conversation=True), known)

    def elsewhere(self, tokens: Tokens, namespace: str) -> int:
        """Most leading tokens that another namespace has the state of."""
        best = 0
        for tree in self.others(namespace):
            for common, entry in tree.match(tokens):
                if common <= best:
                    break
                best = max(best, min(common, entry.reachable))
        return best

    def check_integrity(self) -> None:
        """Raise AssertionError unless trees and memories agree."""
        for tree in self._trees.values():
            tree.check_integrity()
        assert len(self._memories) <= MAX_MEMORIES, "too many memories"
        tokens = sum(len(entry.tokens) for entry in self._memories)
        assert self._memory_tokens == tokens, "tokens of memories are miscounted"
        assert self._memory_tokens <= MAX_MEMORY_TOKENS, "memories are too long"
        for entry in self._memories:
            assert entry in self, "a memory is not in the tree"
            assert entry.source is CacheSource.NONE, "a memory holds state"


def _named(comparison: Comparison, known: Entry | None) -> Comparison:
    """With the request that the known prompt came with, where they part."""
    if known is None or comparison.divergence_token is None:
        return comparison
    return replace(comparison, nearest=known.origin.request)
