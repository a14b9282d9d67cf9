"""The radix tree against the plainest possible model of it: a list of prompts."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.engine.cache.entry import Entry, Tokens, common_length
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.cache.tree import RadixTree

PROMPTS = st.lists(st.integers(0, 2), max_size=8)


def tokens(prompt: list[int]) -> Tokens:
    return np.array(prompt, dtype=np.int32)


class AgainstAList(RuleBasedStateMachine):
    """Whatever is added, moved, stored and removed: the tree says what comparing with each prompt says."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = RadixTree()
        self.entries: list[Entry] = []

    @rule(prompt=PROMPTS, stored=st.booleans())
    def insert(self, prompt: list[int], stored: bool) -> None:
        entry = Entry(tokens=tokens(prompt), holders=(RamTier(0),) if stored else ())
        self.tree.insert(entry)
        self.entries.append(entry)

    @rule(data=st.data(), prompt=PROMPTS)
    def grow(self, data: st.DataObject, prompt: list[int]) -> None:
        if self.entries:
            entry = data.draw(st.sampled_from(self.entries))
            entry.tokens = np.concatenate([entry.tokens, tokens(prompt)])
            self.tree.insert(entry)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.entries:
            entry = data.draw(st.sampled_from(self.entries))
            self.entries.remove(entry)
            self.tree.remove(entry)

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        if self.entries:
            entry = data.draw(st.sampled_from(self.entries))
            entry.holders = ()
            self.tree.mark(entry)

    @rule(prompt=PROMPTS)
    def match(self, prompt: list[int]) -> None:
        found = list(self.tree.match(tokens(prompt)))
        assert {entry for _, entry in found} == set(self.entries)
        assert len(found) == len(self.entries)
        assert [common for common, _ in found] == sorted((common for common, _ in found), reverse=True)
        assert all(common == common_length(entry.tokens, tokens(prompt)) for common, entry in found)

    @rule(data=st.data())
    def relatives(self, data: st.DataObject) -> None:
        if not self.entries:
            return
        entry = data.draw(st.sampled_from(self.entries))
        others = [other for other in self.entries if other is not entry]
        covered = {
            other for other in others if common_length(other.tokens, entry.tokens) == len(other.tokens)
        }
        assert set(self.tree.prefixes(entry)) == covered
        shared = max(
            (common_length(other.tokens, entry.tokens) for other in others if other.stored), default=0
        )
        assert self.tree.own_tokens(entry) == len(entry.tokens) - shared

    @invariant()
    def is_sound(self) -> None:
        self.tree.check_integrity()
        assert len(self.tree) == len(self.entries)
        assert set(self.tree) == set(self.entries)


AgainstAList.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=30)
TestAgainstAList = AgainstAList.TestCase


def test_nothing_stays_of_what_was_removed() -> None:
    """The last entry takes all its stretches with it."""
    tree = RadixTree()
    entries = [Entry(tokens=tokens(prompt)) for prompt in ([1, 2, 3], [1, 2, 4], [1, 2], [5])]
    for entry in entries:
        tree.insert(entry)
    for entry in entries:
        tree.remove(entry)
    assert not tree._root.children
    assert list(tree.match(tokens([1, 2, 3]))) == []


def test_a_short_rest_does_not_keep_a_long_prompt_in_memory() -> None:
    """A prompt of a million tokens that shared ten with another one is gone when it is removed."""
    tree = RadixTree()
    tracemalloc.start()
    try:
        long = Entry(tokens=np.arange(1_000_000, dtype=np.int32))
        tree.insert(long)
        tree.insert(Entry(tokens=tokens([*range(10), 5])))
        tree.remove(long)
        del long
        gc.collect()
        held_bytes, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 1_000_000
