"""The registration of the Conversation page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.conversation.context import ConversationContext
from dashboard.pages.conversation.view import ConversationView

CONVERSATION = Page(
    key="conversation",
    title="Conversation",
    path="/conversations/{conversation_id:path}",
    about=(
        "one conversation: TTFT, cached share and context fill turn by turn, and in about how many turns "
        "the context is full (estimated from the last turns that grew, at least three)"
    ),
    folder=Path(__file__).parent,
    context=ConversationContext,
    view=ConversationView.from_query,
    parameters=("conversation_id", "before"),
    blocks=("conversation",),
    entry="conversations",
)
