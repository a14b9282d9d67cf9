"""The content of a request: the messages that went to the
engine, and the answer. Kept only where a setting asks for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

Messages = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Content:
    """Messages as the engine was given them, and the pieces of
    the answer as they came; nothing is redacted yet.
    """

    messages: Messages
    answer: list[str] = field(default_factory=list)

    @property
    def size_chars(self) -> int:
        """About how much memory it holds."""
        values = itertools.chain.from_iterable(message.values() for message in self.messages)
        prompt = sum(len(value) for value in values if isinstance(value, str))
        return prompt + sum(map(len, self.answer))


def words(message: Mapping[str, Any]) -> str:
    """A message's text; what else it has (parts, calls of tools) as JSON."""
    content = message.get("content")
    rest = {key: value for key, value in message.items() if key not in ("role", "content") and value}
    parts = [content if isinstance(content, str) else _json(content)] if content else []
    return "\n".join([*parts, *([_json(rest)] if rest else [])])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
