"""`/dashboard/requests/{request_id}`: one request, where its time and its tokens went."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from litestar import Response, get
from litestar.params import FromPath

from dashboard.deps import DashboardDeps, Deps
from dashboard.layout import Layout
from dashboard.pages.request.context import RequestContext
from dashboard.pages.request.facts import live_context, missing_context, stored_context
from dashboard.render import PageRequest, respond
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.store.models import RequestRow
from telemetry.store.queries import requests as queries
from telemetry.store.queries import speed
from telemetry.store.queries.reading import StoreUnreadable
from telemetry.store.queries.requests import RequestDetail
from telemetry.store.queries.speed import Expected


@dataclass(slots=True)
class RequestView:
    """One request: from the live view while it runs, from the store afterwards."""

    deps: DashboardDeps
    request_id: str
    template: str = "request.html"
    blocks: tuple[str, ...] = ("detail",)
    detail: RequestDetail | None = None
    expected: Expected | None = None
    last: RequestRecord | None = None
    error: str = ""

    async def refresh(self) -> None:
        try:
            self.detail = await queries.one(self.deps.reader, self.request_id)
            self.expected = None if self.detail is None else await self._expected(self.detail.row)
            self.error = ""
        except StoreUnreadable as error:
            self.error = str(error)

    @property
    def ended(self) -> bool:
        if self._live() is not None:
            return False
        return self.detail is None or self.detail.row.status != Status.RUNNING

    def page(self) -> RequestContext:
        record = self._live()
        if record is not None:
            return live_context(self.deps, record, self.error)
        if self.detail is None:
            return missing_context(self.request_id, self.error)
        return stored_context(self.deps, self.detail, self.expected)

    async def _expected(self, row: RequestRow) -> Expected | None:
        """The output rate of requests like it."""
        if row.decode_tps is None or row.engine_config_id is None or row.context_bucket is None:
            return None
        return await speed.expected(self.deps.reader, row.engine_config_id, row.context_bucket, row.decode_tps, self.deps.wall_s())

    def _live(self) -> RequestRecord | None:
        """The newest running request of this id, or the one that ran until now and that the store does not have complete yet."""
        running = (record for record in reversed(self.deps.live.running()) if record.request_id == self.request_id)
        self.last = next(running, self.last)
        if self.last is None or self.last.ended_ns is None or not self._is_stored(self.last.seq):
            return self.last
        return None

    def _is_stored(self, seq: int) -> bool:
        return self.detail is not None and self.detail.row.seq >= seq and self.detail.row.status != Status.RUNNING


@get("/requests/{request_id:str}", include_in_schema=False)
async def request_page(request: PageRequest, deps: Deps, request_id: FromPath[str]) -> Response[str]:
    """The request; 404 when there is none, 503 when the store cannot be read."""
    view = RequestView(deps, request_id)
    await view.refresh()
    page = view.page()
    follow_url = "" if view.ended else f"/dashboard/live?view=request&request_id={quote(request_id, safe='')}"
    status = 200 if page.found else 503 if view.error else 404
    layout = Layout(f"Request {request_id}", "requests", follow_url, deps.version, status)
    return respond(request, view.template, layout, page)
