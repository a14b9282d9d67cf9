"""`/dashboard/conversations`: chats as units, the one with the newest turn first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from dashboard.deps import DashboardDeps
from dashboard.page import Query, StoreView
from dashboard.pages.conversations.context import ConversationsContext
from dashboard.pages.paging import chosen_cursor
from dashboard.words.curl import curl
from telemetry.store.queries import conversations as queries
from telemetry.store.queries.conversations import ConversationPage
from telemetry.store.queries.requests import Cursor

URL = "/dashboard/conversations"

EXAMPLE = {"metadata": {"conversation_id": "my-chat"}}
"""The field by which a request names its conversation."""


@dataclass(slots=True)
class ConversationsView(StoreView):
    """One page of the list; 503 when the store cannot be read."""

    deps: DashboardDeps
    cursor: Cursor
    found: ConversationPage = field(default_factory=lambda: ConversationPage([], None, None))

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The page that an address names."""
        return cls(deps, chosen_cursor(query["before"], query["after"]))

    @property
    def status(self) -> int:
        return 503 if self.error else 200

    @property
    def stream_query(self) -> Query | None:
        return {} if self.cursor == Cursor() else None

    async def read(self) -> None:
        self.found = await queries.page(self.deps.reader, self.cursor)

    def context(self) -> ConversationsContext:
        found, engines = self.found, self.deps.live.engines()
        model = engines[0].status.model if engines else None
        return ConversationsContext(
            conversations=tuple(found.conversations),
            newest=self.cursor == Cursor(),
            older_url=f"{URL}?before={found.older.before}" if found.older else "",
            newer_url=f"{URL}?after={found.newer.after}" if found.newer else "",
            store_error=self.error,
            curl=curl(self.deps.base_url(), model, extra=EXAMPLE),
        )
