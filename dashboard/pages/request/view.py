"""`/dashboard/requests/{request_id}`: one request, where its time and its tokens went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from dashboard.deps import DashboardDeps
from dashboard.page import Query, StoreView
from dashboard.pages.request.context import RequestContext
from dashboard.pages.request.facts import live_context, missing_context, stored_context
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.store.models import RequestRow
from telemetry.store.queries import requests as queries
from telemetry.store.queries import speed
from telemetry.store.queries.requests import RequestDetail
from telemetry.store.queries.speed import Expected


@dataclass(slots=True)
class RequestView(StoreView):
    """One request: from the live view while it runs, from the store afterwards.

    404 when there is none, 503 when it does not run and the store cannot be read.
    """

    deps: DashboardDeps
    request_id: str
    detail: RequestDetail | None = None
    expected: Expected | None = None
    last: RequestRecord | None = None

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The request that an address names."""
        return cls(deps, query["request_id"])

    @property
    def subject(self) -> str:
        return self.request_id

    @property
    def status(self) -> int:
        if self._live() is not None or self.detail is not None:
            return 200
        return 503 if self.error else 404

    @property
    def stream_query(self) -> Query | None:
        return None if self.ended else {"request_id": self.request_id}

    @property
    def ended(self) -> bool:
        if self._live() is not None:
            return False
        return self.detail is None or self.detail.row.status != Status.RUNNING

    async def read(self) -> None:
        self.detail = await queries.one(self.deps.reader, self.request_id)
        self.expected = None if self.detail is None else await self._expected(self.detail.row)

    def context(self) -> RequestContext:
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
        reader, now_s = self.deps.reader, self.deps.wall_s()
        return await speed.expected(reader, row.engine_config_id, row.context_bucket, row.decode_tps, now_s)

    def _live(self) -> RequestRecord | None:
        """The newest running request of this id, or the one that ran, until the store has it complete."""
        newest_first = reversed(self.deps.live.running())
        running = (record for record in newest_first if record.request_id == self.request_id)
        self.last = next(running, self.last)
        if self.last is None or self.last.ended_ns is None or not self._is_stored(self.last.seq):
            return self.last
        return None

    def _is_stored(self, seq: int) -> bool:
        row = None if self.detail is None else self.detail.row
        return row is not None and row.seq >= seq and row.status != Status.RUNNING
