"""How a prompt ends: where the assistant's answer begins, behind the last message, or in the middle of it.

A message that the answer goes on with must stand open: the template renders it with a tag behind its text,
and the prompt is cut where the tag stands. (As Hugging Face's `apply_chat_template` does for
`continue_final_message`.)
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gateway.chat.allowance import TemplateError

Ending = Literal["generation_prompt", "turn", "open_message"]
"""Values of a request's field: `add_generation_prompt` (the usual), none, `continue_final_message`."""

_TAG = f"open-{secrets.token_hex(16)}"
"""Nobody can have written it: it is another one in each process."""


def tagged(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The messages with the tag behind the last one's text."""
    last = messages[-1]
    return [*messages[:-1], {**last, "content": f"{last.get('content') or ''}{_TAG}"}]


def cut(text: str) -> str:
    """The prompt up to the tag.

    Raises:
        TemplateError: the template did not show it.
    """
    at = text.rfind(_TAG)
    if at < 0:
        raise TemplateError(
            "the model's chat template does not show the last message as it is, so that no answer can go on"
            " with it"
        )
    return text[:at]
