"""`/dashboard/requests`: all requests, newest first, with those that run now on top."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from litestar import Response, get
from litestar.exceptions import ClientException
from litestar.params import FromQuery

from dashboard.deps import DashboardDeps, Deps
from dashboard.layout import Layout
from dashboard.pages.live.context import RunningRow
from dashboard.pages.live.running import running_rows
from dashboard.pages.requests.context import RequestsContext
from dashboard.render import PageRequest, respond
from dashboard.words.curl import curl
from telemetry.events import Status
from telemetry.store.queries import requests as queries
from telemetry.store.queries.reading import StoreUnreadable
from telemetry.store.queries.requests import Cursor, RequestFilter, RequestPage
from telemetry.store.seq import MAX_SEQ

URL = "/dashboard/requests"

MOST_DIGITS = 19
"""Of a cursor: Python refuses to read numbers of thousands."""


@dataclass(frozen=True, slots=True)
class RequestsQuery:
    """The address's parameters as typed; '' is not set."""

    model: str = ""
    status: str = ""
    since: str = ""
    until: str = ""
    before: str = ""
    after: str = ""
    context: str = ""

    def filter(self) -> RequestFilter:
        """The filters, parsed.

        Raises:
            ClientException: a time or status that is none.
        """
        if self.status and self.status not in set(Status):
            raise ClientException(f"There is no status {self.status[:50]!r}: choose one of {', '.join(Status)}.")
        return RequestFilter(
            self.model or None, self.status or None, _time("since", self.since), _time("until", self.until), self.context or None
        )

    def cursor(self) -> Cursor:
        """The paging cursor, parsed.

        Raises:
            ClientException: a cursor that is no number.
        """
        return Cursor(seq_of("before", self.before), seq_of("after", self.after))

    def url(self, path: str, **changed: str) -> str:
        """An address with the same filters."""
        kept = {"model": self.model, "context": self.context, "status": self.status, "since": self.since, "until": self.until, **changed}
        encoded = urlencode({name: value for name, value in kept.items() if value})
        return f"{path}?{encoded}" if encoded else path


def _time(name: str, value: str) -> datetime | None:
    """A time as `<input type=datetime-local>` sends it, taken as UTC."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ClientException(f"{name}={value[:50]!r} is not a time such as 2026-11-23T04:46.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def seq_of(name: str, value: str) -> int | None:
    """A paging cursor.

    Raises:
        ClientException: it is no number.
    """
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS and int(value) <= MAX_SEQ):
        raise ClientException(f"{name}={value[:50]!r} is not a cursor of this list.")
    return int(value)


@dataclass(slots=True)
class RequestsView:
    """One page of the list."""

    deps: DashboardDeps
    query: RequestsQuery
    template: str = "requests.html"
    blocks: tuple[str, ...] = ("store_note", "listing")
    ended: bool = False
    found: RequestPage = field(default_factory=lambda: RequestPage([], None, None))
    models: tuple[str, ...] = ()
    error: str = ""

    async def refresh(self) -> None:
        try:
            self.found = await queries.page(self.deps.reader, self.query.filter(), self.query.cursor())
            self.models = tuple(await queries.models(self.deps.reader))
            self.error = ""
        except StoreUnreadable as error:
            self.error = str(error)

    def _shows(self, row: RunningRow) -> bool:
        """Whether the filters let a running request through."""
        query = self.query
        prompt = None if row.prompt_tokens is None else self.deps.buckets.label(row.prompt_tokens)
        return query.status in ("", Status.RUNNING) and query.model in ("", row.model) and query.context in ("", prompt)

    def page(self) -> RequestsContext:
        query, found = self.query, self.found
        newest = not (query.before or query.after)
        running = {row.seq: row for row in running_rows(self.deps)} if newest else {}
        shown = [row for row in running.values() if self._shows(row)]
        engines = self.deps.live.engines()
        return RequestsContext(
            model=query.model,
            context=query.context,
            status=query.status,
            since=query.since,
            until=query.until,
            models=tuple(sorted({*self.models, *(engine.status.model for engine in engines)})),
            contexts=self.deps.buckets.labels,
            statuses=tuple(status.value for status in Status),
            rows=tuple(row for row in found.rows if row.seq not in running),
            running=tuple(reversed(shown)) if not query.until else (),
            newest=newest,
            older_url=query.url(URL, before=str(found.older.before)) if found.older else "",
            newer_url=query.url(URL, after=str(found.newer.after)) if found.newer else "",
            filtered=any((query.model, query.context, query.status, query.since, query.until)),
            store_error=self.error,
            curl=curl(self.deps.base_url(), engines[0].status.model if engines else None),
        )


@get("/requests", include_in_schema=False)
async def requests(
    request: PageRequest,
    deps: Deps,
    model: FromQuery[str] = "",
    status: FromQuery[str] = "",
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    before: FromQuery[str] = "",
    after: FromQuery[str] = "",
    context: FromQuery[str] = "",
) -> Response[str]:
    """The list; 503 when the store cannot be read."""
    query = RequestsQuery(model, status, since, until, before, after, context)
    view = RequestsView(deps, query)
    await view.refresh()
    newest = not (before or after)
    follow_url = query.url("/dashboard/live", view="requests") if newest else ""
    layout = Layout("Requests", "requests", follow_url, deps.version, 503 if view.error else 200)
    return respond(request, view.template, layout, view.page())
