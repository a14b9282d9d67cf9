"""Where each message lies in the tokens of a prompt: found by its text in the rendered prompt, not by
rendering again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_VAIN_SEARCHES = 8
"""So often a prompt's bytes are searched for texts that are not in it; from then on only what is near."""

NEAR_BYTES = 4096
"""What a template may put before a message."""


@dataclass(frozen=True, slots=True)
class MessageSpan:
    """Tokens `start` … `end` belong to this message: its text from `content` on, and what the template puts
    before it. The last one also has what follows it. `key` is a hash of role and text.
    """

    role: str
    start: int
    content: int
    end: int
    key: int


class TextSearch:
    """Finds texts in the bytes of a prompt, each behind the one before."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._vain_bytes = MAX_VAIN_SEARCHES * len(data)

    def find(self, text: bytes) -> int | None:
        """Where a text begins; None where it is empty or not there."""
        if not text:
            return None
        limit = len(self._data) if self._vain_bytes > 0 else self._at + NEAR_BYTES + len(text)
        found = self._data.find(text, self._at, limit)
        if found < 0:
            self._vain_bytes -= min(limit, len(self._data)) - self._at
            return None
        self._at = found + len(text)
        return found


def message_spans(
    text: str,
    messages: Sequence[dict[str, Any]],
    sizes: npt.NDArray[np.int64],
) -> list[MessageSpan]:
    """Spans of all messages in a rendered prompt; `sizes` are the bytes of each of its tokens.

    A template that changes a text (or leaves a message out) gives that message an empty span at the place
    reached.
    """
    ends, count = np.cumsum(sizes), len(sizes)
    data = text.encode("utf-8", errors="replace")
    added = int(ends[-1]) - len(data) if count else 0  # bytes that the tokenizer put before the text
    search = TextSearch(data)
    spans: list[MessageSpan] = []
    reached = 0
    for message in messages:
        content = str(message.get("content") or "").strip().encode("utf-8", errors="replace")
        found = search.find(content)
        begin = end = reached
        if found is not None:
            begin = int(np.searchsorted(ends, found + added, side="right"))
            end = int(np.searchsorted(ends, found + len(content) + added, side="left")) + 1
            end = max(reached, min(end, count))
            begin = max(reached, min(begin, end))
        key = hash((message.get("role"), content))
        spans.append(MessageSpan(str(message.get("role")), reached, begin, end, key))
        reached = end
    if spans:
        spans[-1] = replace(spans[-1], end=count)
    return spans


def message_at(spans: Sequence[MessageSpan], token: int) -> int | None:
    """The index of the message that a token belongs to; None behind the last."""
    return next((index for index, span in enumerate(spans) if token < span.end), None)
