"""The context of the Conversations page's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from telemetry.store.queries.conversations import Conversation


@dataclass(frozen=True, slots=True)
class ConversationsContext:
    """The list of conversations."""

    conversations: Annotated[tuple[Conversation, ...], "Conversations, the one with the newest turn first."]
    newest: Annotated[bool, "This is the newest page, the one that follows along."]
    older_url: Annotated[str, "The next page, or ''."]
    newer_url: Annotated[str, "The previous page, or ''."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
    curl: Annotated[str, "A command that sends a request of a conversation."]
