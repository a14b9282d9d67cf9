"""Where each message lies in the tokens of a prompt: found by its text in the rendered prompt, not by rendering again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_VAIN = 8
"""So many times a prompt's bytes are searched for texts that are not in it; from then on only what is near."""

NEAR_BYTES = 4096
"""What a template may put before a message."""


@dataclass(frozen=True, slots=True)
class MessageSpan:
    """Tokens `start` … `end` belong to this message: its text from `content` on, and what the template puts before it.
    The last one also has what follows it. `key` is a hash of role and text.
    """

    role: str
    start: int
    content: int
    end: int
    key: int


def message_spans(text: str, messages: Sequence[dict[str, Any]], sizes: npt.NDArray[np.int64]) -> list[MessageSpan]:
    """Spans of all messages; `sizes` are the bytes of each token.

    A template that changes a text (or leaves a message out) gives that message an empty span at the place reached.
    """
    ends = np.cumsum(sizes)
    count = len(sizes)
    data = text.encode("utf-8", errors="replace")
    shift = int(ends[-1]) - len(data) if count else 0  # what the tokenizer put before the text
    spans: list[MessageSpan] = []
    at = reached = 0
    vain = MOST_VAIN * len(data)
    for message in messages:
        content = str(message.get("content") or "").strip().encode("utf-8", errors="replace")
        limit = len(data) if vain > 0 else at + NEAR_BYTES + len(content)
        found = data.find(content, at, limit) if content else -1
        vain -= min(limit, len(data)) - at if content and found < 0 else 0
        begin = int(np.searchsorted(ends, found + shift, side="right")) if found >= 0 else reached
        if found >= 0:
            at = found + len(content)
        end = int(np.searchsorted(ends, at + shift, side="left")) + 1 if found >= 0 else reached
        end = max(reached, min(end, count))
        key = hash((message.get("role"), content))
        spans.append(MessageSpan(str(message.get("role")), reached, max(reached, min(begin, end)), end, key))
        reached = end
    if spans:
        last = spans[-1]
        spans[-1] = MessageSpan(last.role, last.start, last.content, count, last.key)
    return spans


def message_at(spans: Sequence[MessageSpan], token: int) -> int | None:
    """The index of the message that a token belongs to; None behind the last."""
    return next((index for index, span in enumerate(spans) if token < span.end), None)
