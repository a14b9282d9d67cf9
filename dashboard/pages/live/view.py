"""`/dashboard/live`: the present moment as a page, and the stream of HTML fragments that every page follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from litestar import Response, get
from litestar.exceptions import ClientException
from litestar.params import FromQuery
from litestar.response import Stream

from dashboard.deps import DashboardDeps, Deps
from dashboard.following import PageView, follow
from dashboard.layout import Layout
from dashboard.pages.cache.view import CacheView
from dashboard.pages.conversations.view import ConversationsView, ConversationView
from dashboard.pages.health.view import HealthView
from dashboard.pages.latency.view import LatencyView, latency_query
from dashboard.pages.live.context import LiveContext
from dashboard.pages.live.running import running_rows
from dashboard.pages.models.view import ModelsView
from dashboard.pages.overview.view import OverviewView
from dashboard.pages.request.view import RequestView
from dashboard.pages.requests.view import RequestsQuery, RequestsView
from dashboard.pages.windows import chosen_window
from dashboard.render import PageRequest, respond
from dashboard.words.curl import curl
from telemetry.accept import names
from telemetry.store.queries.requests import Cursor

EVENT_STREAM = "text/event-stream"


@dataclass(slots=True)
class LiveNowView:
    """Everything that moves, without the store."""

    deps: DashboardDeps
    template: str = "live.html"
    blocks: tuple[str, ...] = ("store_note", "nothing", "running", "engines")
    ended: bool = False

    async def refresh(self) -> None:
        """Nothing to read."""

    def page(self) -> LiveContext:
        engines = tuple(self.deps.live.engines())
        url = self.deps.base_url()
        return LiveContext(
            engines, running_rows(self.deps), self.deps.store_state(), curl(url, engines[0].status.model if engines else None)
        )


@dataclass(frozen=True, slots=True)
class FollowQuery:
    """Which page follows, and its own parameters."""

    view: str
    window: str
    request_id: str
    listing: RequestsQuery
    heat: str = ""
    conversation_id: str = ""


def _requests_view(deps: DashboardDeps, query: FollowQuery) -> PageView:
    query.listing.filter()  # says what is wrong with it
    return RequestsView(deps, query.listing)


VIEWS: dict[str, Callable[[DashboardDeps, FollowQuery], PageView]] = {
    "": lambda deps, _: LiveNowView(deps),
    "live": lambda deps, _: LiveNowView(deps),
    "overview": lambda deps, query: OverviewView(deps, chosen_window(query.window)),
    "latency": lambda deps, query: LatencyView(deps, latency_query(query.window, query.listing.model, query.heat)),
    "requests": _requests_view,
    "request": lambda deps, query: RequestView(deps, query.request_id),
    "models": lambda deps, query: ModelsView(deps, chosen_window(query.window)),
    "health": lambda deps, _: HealthView(deps),
    "conversations": lambda deps, _: ConversationsView(deps, Cursor()),
    "conversation": lambda deps, query: ConversationView(deps, query.conversation_id),
    "cache": lambda deps, query: CacheView(deps, chosen_window(query.window)),
}
"""Pages that follow along, by what they call themselves in the stream's address."""


def followed_view(deps: DashboardDeps, query: FollowQuery) -> PageView:
    """The view of the page that asks for a stream.

    Raises:
        ClientException: no page is called so, or a parameter is wrong.
    """
    if query.view not in VIEWS:
        raise ClientException(f"No page is called {query.view[:50]!r}.")
    return VIEWS[query.view](deps, query)


@get("/live", include_in_schema=False)
async def live(
    request: PageRequest,
    deps: Deps,
    view: FromQuery[str] = "",
    window: FromQuery[str] = "",
    request_id: FromQuery[str] = "",
    model: FromQuery[str] = "",
    status: FromQuery[str] = "",
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    context: FromQuery[str] = "",
    heat: FromQuery[str] = "",
    conversation_id: FromQuery[str] = "",
) -> Response[str] | Stream:
    """The stream for those who accept one, the page for everybody else."""
    if names(request.headers.get("accept", ""), EVENT_STREAM):
        listing = RequestsQuery(model, status, since, until, context=context)
        followed = followed_view(deps, FollowQuery(view, window, request_id, listing, heat, conversation_id))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return Stream(follow(deps, followed), media_type=EVENT_STREAM, headers=headers)
    layout = Layout("Live", "live", "/dashboard/live?view=live", deps.version, 200)
    shown = LiveNowView(deps)
    return respond(request, shown.template, layout, shown.page())
