"""The index of known prompts: which one a new one is compared with, and how much is remembered of those
that are gone.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.cache import index as index_module
from gateway.engine.cache.entry import Entry, Origin, Tokens
from gateway.engine.cache.index import PromptIndex
from gateway.engine.cache.reasons import Prompt
from gateway.engine.cache.spans import MessageSpan
from gateway.engine.cache.tiers.ram import RamTier
from telemetry.events import CacheReason


def tokens(*given: int) -> Tokens:
    return np.array(given, dtype=np.int32)


def asked(given: Tokens, first: int) -> Prompt:
    """A prompt whose first message has so many tokens."""
    spans = [MessageSpan("system", 0, 0, first, 1), MessageSpan("user", first, first, len(given), 2)]
    return Prompt(given, spans, ["", ""])


def test_memories_are_bounded_by_number_and_by_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten first, whichever bound is reached; one that is longer than all of the room
    is not kept.
    """
    monkeypatch.setattr(index_module, "MAX_MEMORIES", 5)
    monkeypatch.setattr(index_module, "MAX_MEMORY_TOKENS", 100)
    index = PromptIndex()

    def remember(first: int, size: int) -> Entry:
        entry = Entry(tokens=np.arange(first, first + size, dtype=np.int32))
        index.add(entry)
        index.remember(entry, "ram", first)
        index.check_integrity()
        return entry

    short = [remember(number * 1000, 10) for number in range(7)]
    assert [entry in index for entry in short] == [False] * 2 + [True] * 5
    long = remember(50_000, 75)
    assert [entry in index for entry in short] == [False] * 5 + [True] * 2
    assert long in index
    remember(90_000, 101)
    assert list(index) == []


@given(st.lists(st.tuples(st.sampled_from("arfm"), st.integers(0, 9)), max_size=40))
def test_any_order_of_events_counts_right(events: list[tuple[str, int]]) -> None:
    """Added, recalled, forgotten, remembered, in any order and again: trees, memories and their tokens
    agree.
    """
    index = PromptIndex()
    entries = [Entry(tokens=np.arange(size * 10, dtype=np.int32)) for size in range(10)]
    for event, number in events:
        entry = entries[number]
        if event == "a":
            index.add(entry)
        elif event == "f":
            index.forget(entry)
        elif entry in index:
            if event == "m":
                index.remember(entry, "kv", 0)
            else:
                index.recall(entry)
        index.check_integrity()


def test_the_conversation_decides_before_the_tokens_do() -> None:
    """A turn is compared with the last one of its conversation, though another prompt has more tokens in
    common.
    """
    index = PromptIndex()
    own = Entry(tokens=tokens(1, 2, 3, 9), origin=Origin("chat", request="own"))
    near = Entry(tokens=tokens(1, 2, 3, 4, 5), origin=Origin("other", request="near"))
    index.add(own)
    index.add(near)
    prompt = asked(tokens(1, 2, 3, 4, 6, 7, 8), 2)
    assert index.compare(prompt, "", Origin("chat")).nearest == "own"
    assert index.compare(prompt, "", Origin("new")).nearest == "near"


def test_what_was_forgotten_is_nobodys_conversation() -> None:
    """Neither by its name nor by its first question."""
    index = PromptIndex()
    entry = Entry(tokens=tokens(1, 2, 3), origin=Origin("chat", opening=7))
    index.add(entry)
    index.forget(entry)
    assert (
        index.compare(asked(tokens(1, 2, 4), 1), "", Origin("chat", opening=7)).reason
        is CacheReason.NEW_CONVERSATION
    )
    assert not index._conversations
    assert not index._openings


def test_other_namespaces_are_only_told_of() -> None:
    """What another adapter has is counted, and never compared with."""
    index = PromptIndex()
    index.add(Entry(tokens=tokens(1, 2, 3), namespace="sql", holders=(RamTier(0),), stored_tokens=3))
    assert index.elsewhere(tokens(1, 2, 4), "") == 2
    assert index.elsewhere(tokens(1, 2, 4), "sql") == 0
    assert index.compare(asked(tokens(1, 2, 4), 1), "", Origin()).reason is CacheReason.NEW_CONVERSATION
