"""The registration of the Conversations page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.conversations.context import ConversationsContext
from dashboard.pages.conversations.view import ConversationsView

CONVERSATIONS = Page(
    key="conversations",
    title="Conversations",
    path="/conversations",
    about=(
        "requests by `metadata.conversation_id` (512 characters at most; of more than 128, lists show the "
        "beginning and a digest, and links with the whole id work)"
    ),
    folder=Path(__file__).parent,
    context=ConversationsContext,
    view=ConversationsView.from_query,
    parameters=("before", "after"),
    blocks=("store_note", "listing"),
)
