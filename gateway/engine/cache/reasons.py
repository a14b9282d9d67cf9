"""Why the cache gave what it gave: a new prompt compared with the nearest known one, message by message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.engine.cache.entry import Entry, Tokens, common_length
from gateway.engine.cache.spans import MessageSpan, message_at
from telemetry.events import CacheReason

SLACK_TOKENS = 8
"""Fewer tokens than this are no miss: templates end differently, and one token is always computed again."""

SAME_PLACE_TOKENS = 16
"""A first message that departs from the one before within this distance of where it did before is volatile.
"""

SMALL_CHANGE = 0.25
"""The largest part of a first message that may differ for it to count as the same message, changed."""

HIT_IF_NOT_LOST = (CacheReason.APPENDED, CacheReason.FULL_HIT, CacheReason.NEW_CONVERSATION)
"""Reasons that explain no miss of a prefix that was known: if it is not there, it was evicted."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a prompt has in common with the nearest known one. Indexes are of the first difference, None
    without one; `nearest` is the request that the known one came with, '' where that is not known (it was
    read from disk).
    """

    reason: CacheReason
    divergence_token: int | None = None
    divergence_message: int | None = None
    system_divergence: int | None = None
    nearest: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt to be compared: its tokens, its messages' spans and texts."""

    tokens: Tokens
    spans: Sequence[MessageSpan]
    texts: Sequence[str]


def compare(prompt: Prompt, known: Entry | None, common: int, *, same_conversation: bool) -> Comparison:
    """The reason why what is not in the cache is not there, if whatever was known still is.

    `known` is the nearest known prompt and `common` the tokens shared with it; `same_conversation` says that
    an explicit key or the first user message names both as one conversation.
    """
    if known is None or common == 0:
        return Comparison(CacheReason.NEW_CONVERSATION)
    message = message_at(prompt.spans, common)
    if message is None or common >= len(prompt.tokens) - 1:
        return Comparison(CacheReason.FULL_HIT)
    if message == 0 and len(prompt.spans) > 1:
        return _first_message(prompt, known, common, same_conversation=same_conversation)
    if message == 0:
        reason = CacheReason.HISTORY_EDITED if same_conversation else CacheReason.NEW_CONVERSATION
        return Comparison(reason, common, message)
    reason = _later_message(prompt, known, message, same_conversation=same_conversation)
    return Comparison(reason, common, message)


def _first_message(prompt: Prompt, known: Entry, common: int, *, same_conversation: bool) -> Comparison:
    """The prompts differ in their first message: it is another one, or the same one changed."""
    if prompt.spans[0].role != "system":
        reason = CacheReason.HISTORY_EDITED if same_conversation else CacheReason.NEW_CONVERSATION
        return Comparison(reason, common, 0)
    if not same_conversation and not _small_change(prompt, known, common):
        return Comparison(CacheReason.NEW_CONVERSATION, common, 0)
    before = known.system_divergence
    recurs = before is not None and abs(before - common) <= SAME_PLACE_TOKENS
    reason = CacheReason.VOLATILE_PREFIX if recurs else CacheReason.SYSTEM_CHANGED
    return Comparison(reason, common, 0, common)


def _small_change(prompt: Prompt, known: Entry, common: int) -> bool:
    """Whether the first messages are equal before and behind a small difference."""
    first = prompt.spans[0]
    size = first.end
    behind = 0
    # the change may have added or removed a token or two
    for length in (size, size - 1, size + 1, size - 2, size + 2):
        if 0 < length <= len(known.tokens):
            ours, theirs = prompt.tokens[:size][::-1], known.tokens[:length][::-1]
            behind = max(behind, min(common_length(ours, theirs), size - common))
    changed = size - common - behind
    text_tokens = max(1, first.end - first.content)
    return common > first.content and changed <= SMALL_CHANGE * text_tokens


def _later_message(prompt: Prompt, known: Entry, message: int, *, same_conversation: bool) -> CacheReason:
    """The first message is shared and a later one differs."""
    keys = [span.key for span in prompt.spans]
    theirs = known.origin.messages
    if message >= len(keys) - 1:
        return CacheReason.APPENDED
    if message < len(theirs) and tuple(keys[: message + 1]) == theirs[: message + 1]:
        return CacheReason.TEMPLATE_CHANGED
    shares_before = any(span.role == "user" for span in prompt.spans[:message])
    shares_behind = not set(keys[message + 1 :]).isdisjoint(theirs)
    if not same_conversation and not shares_before and not shares_behind:
        return CacheReason.APPENDED
    if message == len(theirs) and known.reply.strip() == prompt.texts[message].strip():
        return CacheReason.APPENDED  # the same answer, in other tokens than it was sampled in
    if message > len(theirs):
        return CacheReason.APPENDED
    return CacheReason.HISTORY_EDITED


def explain(comparison: Comparison, *, matched: int, prompt_tokens: int, lost: int) -> CacheReason:
    """The reason with what was really found; `lost` are leading tokens that no tier has any more."""
    if matched >= prompt_tokens - 1:
        return CacheReason.FULL_HIT
    if lost > matched + SLACK_TOKENS and comparison.reason in HIT_IF_NOT_LOST:
        return CacheReason.EVICTED
    if comparison.reason is CacheReason.FULL_HIT:
        return CacheReason.APPENDED if matched else CacheReason.NEW_CONVERSATION
    return comparison.reason
