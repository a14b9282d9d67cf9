"""`/dashboard/conversations`: chats as units, and `/dashboard/conversations/{id}`: one of them, turn by turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from dashboard.charts.turns import turn_charts
from dashboard.deps import DashboardDeps, Deps
from dashboard.layout import Layout
from dashboard.pages.conversations.context import ConversationContext, ConversationsContext, TurnRow
from dashboard.pages.requests.view import RequestsQuery, seq_of
from dashboard.render import PageRequest, respond
from dashboard.words.curl import curl
from dashboard.words.forecast import forecast
from telemetry.store.models import RequestRow
from telemetry.store.queries import conversations as queries
from telemetry.store.queries.conversations import ConversationPage, Turns
from telemetry.store.queries.reading import StoreUnreadable
from telemetry.store.queries.requests import Cursor

URL = "/dashboard/conversations"

NO_TURNS = Turns([], 1, 0, {})


@dataclass(slots=True)
class ConversationsView:
    """One page of the list."""

    deps: DashboardDeps
    cursor: Cursor
    template: str = "conversations.html"
    blocks: tuple[str, ...] = ("store_note", "listing")
    ended: bool = False
    found: ConversationPage = field(default_factory=lambda: ConversationPage([], None, None))
    error: str = ""

    async def refresh(self) -> None:
        try:
            self.found = await queries.page(self.deps.reader, self.cursor)
            self.error = ""
        except StoreUnreadable as error:
            self.error = str(error)

    def page(self) -> ConversationsContext:
        found, engines = self.found, self.deps.live.engines()
        example = curl(
            self.deps.base_url(), engines[0].status.model if engines else None, extra={"metadata": {"conversation_id": "my-chat"}}
        )
        return ConversationsContext(
            conversations=tuple(found.conversations),
            newest=self.cursor == Cursor(),
            older_url=f"{URL}?before={found.older.before}" if found.older else "",
            newer_url=f"{URL}?after={found.newer.after}" if found.newer else "",
            store_error=self.error,
            curl=example,
        )


@dataclass(slots=True)
class ConversationView:
    """One conversation: its newest turns, or those before one."""

    deps: DashboardDeps
    conversation_id: str
    before: int | None = None
    template: str = "conversation.html"
    blocks: tuple[str, ...] = ("conversation",)
    ended: bool = False
    found: Turns = NO_TURNS
    error: str = ""

    async def refresh(self) -> None:
        try:
            self.found = await queries.turns(self.deps.reader, self.conversation_id, self.before)
            self.error = ""
        except StoreUnreadable as error:
            self.error = str(error)

    def page(self) -> ConversationContext:
        found = self.found
        turns = tuple(
            TurnRow(number, row, found.n_ctx(row), tokens_in_context(row)) for number, row in enumerate(found.rows, found.first_number)
        )
        url = f"{URL}/{quote(self.conversation_id, safe='')}"
        return ConversationContext(
            conversation_id=self.conversation_id,
            found=found.total > 0,
            turns=turns,
            total=found.total,
            charts=turn_charts(turns),
            forecast=forecast([turn.used for turn in turns], turns[-1].n_ctx) if turns and self.before is None else None,
            older_url=f"{url}?before={turns[0].row.seq}" if turns and found.first_number > 1 else "",
            newest_url=url if self.before is not None else "",
            store_error=self.error,
        )


def tokens_in_context(row: RequestRow) -> int | None:
    """Prompt and answer of a turn that was answered: what the next turn's prompt begins with."""
    return None if row.prompt_tokens is None or row.completion_tokens is None else row.prompt_tokens + row.completion_tokens


@get("/conversations", include_in_schema=False)
async def conversations(request: PageRequest, deps: Deps, before: FromQuery[str] = "", after: FromQuery[str] = "") -> Response[str]:
    """The list; 503 when the store cannot be read."""
    view = ConversationsView(deps, RequestsQuery(before=before, after=after).cursor())
    await view.refresh()
    follow_url = "" if before or after else "/dashboard/live?view=conversations"
    layout = Layout("Conversations", "conversations", follow_url, deps.version, 503 if view.error else 200)
    return respond(request, view.template, layout, view.page())


@get("/conversations/{conversation_id:path}", include_in_schema=False)
async def conversation(request: PageRequest, deps: Deps, conversation_id: FromPath[str], before: FromQuery[str] = "") -> Response[str]:
    """One conversation, whose id may hold any character; 404 when there is none, 503 when the store cannot be read."""
    view = ConversationView(deps, conversation_id.removeprefix("/"), seq_of("before", before))
    await view.refresh()
    page = view.page()
    follow_url = "" if before else f"/dashboard/live?view=conversation&conversation_id={quote(view.conversation_id, safe='')}"
    status = 503 if view.error else 200 if page.found else 404
    layout = Layout(f"Conversation {view.conversation_id}", "conversations", follow_url, deps.version, status)
    return respond(request, view.template, layout, page)
