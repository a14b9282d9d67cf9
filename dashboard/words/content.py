"""The texts of a request as its page shows them, and the first unlike that of the nearest known prompt."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.store.contents import StoredContent, StoredText
from telemetry.store.queries.requests import Nearest

MAX_SHOWN_CHARS = 20_000
"""Characters of one text; the rest is in `firsttoken db export --content`."""

MAX_SHOWN_MESSAGES = 200
"""Messages of one prompt; the first ones of a longer one are left out."""

SHARED_CHARS = 60
DIFFERENT_CHARS = 120
"""Shown before and from the first difference."""


@dataclass(frozen=True, slots=True)
class ShownText:
    """One message (`number` from 1) or the answer; `kept` more characters are stored, `lost` were not."""

    number: int
    role: str
    text: str
    kept: int
    lost: int


@dataclass(frozen=True, slots=True)
class ContentView:
    """The prompt's messages without its first `left_out`, and the answer, None where there is none."""

    messages: tuple[ShownText, ...]
    left_out: int
    answer: ShownText | None


@dataclass(frozen=True, slots=True)
class Difference:
    """The first text that differed: message `number` from 1, what both share just before, how each goes on.

    `request_id` is the request compared with; '' where what it said is not kept: then `ours` is how the
    message begins. `same` says that all texts that are kept are the same.
    """

    number: int
    role: str
    shared: str
    ours: str
    theirs: str
    request_id: str
    same: bool = False


def content_view(content: StoredContent | None) -> ContentView | None:
    """The page's part, of a bounded size."""
    if content is None:
        return None
    total = len(content.messages)
    left_out = max(0, total - MAX_SHOWN_MESSAGES)
    shown = [_shown(number, text) for number, text in enumerate(content.messages, 1) if number > left_out]
    answer = None if content.answer is None else _shown(total + 1, content.answer)
    return ContentView(tuple(shown), left_out, answer)


def difference(
    content: StoredContent | None,
    nearest: Nearest | None,
    divergence_message: int | None,
) -> Difference | None:
    """The place where the kept texts part; None where they do not, or nothing is kept of the prompt."""
    if content is None or divergence_message is None or divergence_message >= len(content.messages):
        return None
    if nearest is None:
        message = content.messages[divergence_message]
        return Difference(divergence_message + 1, message.role, "", _cut(message.text), "", "")
    answered = () if nearest.content.answer is None else (nearest.content.answer,)
    return _first_difference(content.messages, (*nearest.content.messages, *answered), nearest.request_id)


def _first_difference(
    ours: tuple[StoredText, ...],
    theirs: tuple[StoredText, ...],
    request_id: str,
) -> Difference:
    """The difference by the kept texts: what was redacted, or differs in the template only, is the same."""
    for index, message in enumerate(ours):
        other = theirs[index] if index < len(theirs) else None
        if other is None or other.role != message.role:
            words = "" if other is None else f"{other.role}: {other.text}"
            return Difference(index + 1, message.role, "", _cut(message.text), _cut(words), request_id)
        if message.text.strip() != other.text.strip():
            at = _common_length(message.text, other.text)
            shared = message.text[:at]
            if at > SHARED_CHARS:
                shared = f"… {shared[-SHARED_CHARS:]}"
            mine, yours = _cut(message.text[at:]), _cut(other.text[at:])
            return Difference(index + 1, message.role, shared, mine, yours, request_id)
    return Difference(len(ours), ours[-1].role, "", "", "", request_id, same=True)


def _common_length(first: str, second: str) -> int:
    """Leading characters that two texts share."""
    shorter = min(len(first), len(second))
    return next((index for index in range(shorter) if first[index] != second[index]), shorter)


def _cut(text: str) -> str:
    return text if len(text) <= DIFFERENT_CHARS else f"{text[:DIFFERENT_CHARS]} …"


def _shown(number: int, text: StoredText) -> ShownText:
    kept = max(0, len(text.text) - MAX_SHOWN_CHARS)
    return ShownText(number, text.role, text.text[:MAX_SHOWN_CHARS], kept, text.left_out)
