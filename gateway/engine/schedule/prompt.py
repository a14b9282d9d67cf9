"""The prompt of a request, when it is rendered and tokenised."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.engine.protocol import Submit
from gateway.engine.schedule.prompt_size import AtLeast
from gateway.engine.schedule.truncation import Truncation
from telemetry.events import Scalar


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered chat and its tokens; `request` has the messages that are left of it after the truncation."""

    request: Submit
    text: str
    tokens: list[int] | AtLeast
    truncation: Truncation | None

    def attributes(self) -> dict[str, Scalar]:
        """Of the tokenize phase; a prompt that was not counted to its end has no number of tokens."""
        attributes: dict[str, Scalar] = {"characters": len(self.text)}
        if not isinstance(self.tokens, AtLeast):
            attributes["tokens"] = len(self.tokens)
        if self.truncation is not None:
            dropped, tokens = self.truncation.dropped_messages, self.truncation.dropped_tokens
            attributes["dropped_messages"] = " ".join(map(str, dropped))
            if tokens is not None:
                attributes["dropped_tokens"] = tokens
        return attributes
