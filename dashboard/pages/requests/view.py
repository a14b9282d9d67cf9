"""`/dashboard/requests`: all requests, newest first, with those that run now on top."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlencode

from litestar.exceptions import ClientException

from dashboard.deps import DashboardDeps
from dashboard.page import Query, StoreView
from dashboard.pages.live.context import RunningRow
from dashboard.pages.live.running import running_rows
from dashboard.pages.paging import chosen_cursor
from dashboard.pages.requests.context import RequestsContext
from dashboard.words.curl import curl
from telemetry.events import Status
from telemetry.store.queries import requests as queries
from telemetry.store.queries.requests import Cursor, RequestFilter, RequestPage

URL = "/dashboard/requests"

FILTERS = ("model", "context", "status", "since", "until")
"""Parameters that choose requests; `before` and `after` choose the page of the list."""


@dataclass(slots=True)
class RequestsView(StoreView):
    """One page of the list; 503 when the store cannot be read. `query` is as typed."""

    deps: DashboardDeps
    query: Query
    filter: RequestFilter
    cursor: Cursor
    found: RequestPage = field(default_factory=lambda: RequestPage([], None, None))
    models: tuple[str, ...] = ()

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The page that an address names."""
        return cls(deps, query, chosen_filter(query), chosen_cursor(query["before"], query["after"]))

    @property
    def newest(self) -> bool:
        """True for the page that has the newest requests."""
        return self.cursor == Cursor()

    @property
    def chosen(self) -> Query:
        """The filters that are set, as typed."""
        return {name: self.query[name] for name in FILTERS if self.query[name]}

    @property
    def status(self) -> int:
        return 503 if self.error else 200

    @property
    def stream_query(self) -> Query | None:
        return self.chosen if self.newest else None

    async def read(self) -> None:
        self.found = await queries.page(self.deps.reader, self.filter, self.cursor)
        self.models = tuple(await queries.models(self.deps.reader))

    def context(self) -> RequestsContext:
        query, found = self.query, self.found
        running = {row.seq: row for row in running_rows(self.deps)} if self.newest else {}
        serving = [engine.status.model for engine in self.deps.live.engines()]
        return RequestsContext(
            model=query["model"],
            context=query["context"],
            status=query["status"],
            since=query["since"],
            until=query["until"],
            models=tuple(sorted({*self.models, *serving})),
            contexts=self.deps.buckets.labels,
            statuses=tuple(status.value for status in Status),
            rows=tuple(row for row in found.rows if row.seq not in running),
            running=tuple(row for row in reversed(running.values()) if self._shows(row)),
            newest=self.newest,
            older_url=self._url(before=found.older.before) if found.older else "",
            newer_url=self._url(after=found.newer.after) if found.newer else "",
            filtered=bool(self.chosen),
            store_error=self.error,
            curl=curl(self.deps.base_url(), serving[0] if serving else None),
        )

    def _shows(self, row: RunningRow) -> bool:
        """True where the filters let a running request through."""
        wanted = self.filter
        bucket = None if row.prompt_tokens is None else self.deps.buckets.label(row.prompt_tokens)
        return (
            wanted.until is None
            and wanted.status in (None, Status.RUNNING)
            and wanted.model in (None, row.model)
            and wanted.context in (None, bucket)
        )

    def _url(self, **cursor: int | None) -> str:
        """Another page of the list with the same filters."""
        return f"{URL}?{urlencode({**self.chosen, **cursor})}"


def chosen_filter(query: Query) -> RequestFilter:
    """The filters of an address.

    Raises:
        ClientException: a time or status that is none.
    """
    status = query["status"]
    if status and status not in set(Status):
        raise ClientException(f"There is no status {status[:50]!r}: choose one of {', '.join(Status)}.")
    return RequestFilter(
        query["model"] or None,
        status or None,
        chosen_time("since", query["since"]),
        chosen_time("until", query["until"]),
        query["context"] or None,
    )


def chosen_time(name: str, value: str) -> datetime | None:
    """A time as `<input type=datetime-local>` sends it, taken as UTC; None where it is not given.

    Raises:
        ClientException: it is no time.
    """
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ClientException(f"{name}={value[:50]!r} is not a time such as 2026-11-23T04:46.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
