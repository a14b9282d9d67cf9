"""The routes of the pages: each page whole, as a block for htmx, and as a stream that follows it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from litestar import Response, get
from litestar.exceptions import ClientException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from dashboard.deps import DashboardDeps
from dashboard.following import follow
from dashboard.layout import Layout
from dashboard.page import PATH, Page, PageView, Query
from dashboard.render import PageRequest, renderer
from telemetry.accept import names

STREAM_PATH = "/live"
"""The page whose address is that of every page's stream too, for those who accept one."""

FOLLOWED_BY_DEFAULT = "live"
"""The page that a stream without `view` follows."""

EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class PageRoutes:
    """The routes of these pages over what they read."""

    deps: DashboardDeps
    pages: tuple[Page, ...]

    def routes(self) -> list[HTTPRouteHandler]:
        """One route for each page."""
        return [self._route(page) for page in self.pages]

    def _route(self, page: Page) -> HTTPRouteHandler:
        async def show(request: PageRequest) -> Response[str]:
            return await self.show(request, page)

        async def show_or_follow(request: PageRequest) -> Response[str] | Stream:
            if names(request.headers.get("accept", ""), EVENT_STREAM):
                return self.stream(request)
            return await self.show(request, page)

        handler = show_or_follow if page.path == STREAM_PATH else show
        return get(page.path, include_in_schema=False)(handler)

    async def show(self, request: PageRequest, page: Page) -> Response[str]:
        """The page, at this moment."""
        view = page.view(self.deps, page_query(request, page))
        await view.refresh()
        context = view.context()
        layout = Layout(
            title=f"{page.title} {view.subject}" if view.subject else page.title,
            active=page.entry or page.key,
            follow_url=follow_url(page, view),
            version=self.deps.version,
            status=view.status,
        )
        return renderer(self.pages).respond(request, page.template, layout, context)

    def stream(self, request: PageRequest) -> Stream:
        """The stream that follows the page which `view` names.

        Raises:
            ClientException: no page that follows along is called so, or a parameter is wrong.
        """
        given = list(request.query_params.items())
        page = self._followed(dict(given).get("view", ""))
        view = page.view(self.deps, declared(given, page))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return Stream(self.follow(page, view), media_type=EVENT_STREAM, headers=headers)

    def follow(self, page: Page, view: PageView) -> AsyncGenerator[str, None]:
        """Server-sent events with the page's blocks, each when it differs from what was last sent."""
        templates = renderer(self.pages)

        def fragments() -> dict[str, str]:
            context = view.context()
            return {block: templates.block(page.template, block, context) for block in page.blocks}

        return follow(self.deps.live, view, fragments)

    def _followed(self, key: str) -> Page:
        for page in self.pages:
            if page.blocks and page.key == (key or FOLLOWED_BY_DEFAULT):
                return page
        raise ClientException(f"No page is called {key[:50]!r}.")


def follow_url(page: Page, view: PageView) -> str:
    """The address of the stream that keeps a page up to date; '' where nothing of it will change."""
    if not page.blocks or view.stream_query is None:
        return ""
    query = {"view": page.key, **view.stream_query}
    return f"{PATH}{STREAM_PATH}?{urlencode(query, quote_via=quote, safe='')}"


def page_query(request: PageRequest, page: Page) -> Query:
    """The parameters of a page's own address; those of its path are before all others of the name."""
    in_path = [(name, str(value).removeprefix("/")) for name, value in request.path_params.items()]
    return declared([*request.query_params.items(), *in_path], page)


def declared(given: Iterable[tuple[str, str]], page: Page) -> Query:
    """The parameters that a page declares, '' where one is not given; the last of a name counts."""
    values = dict(given)
    return {name: values.get(name, "") for name in page.parameters}
