"""Requests, one or many: filters, keyset paging by `seq` (newest first), and the phases of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import DecodeError
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.events import Phase
from telemetry.store import contents
from telemetry.store.contents import StoredContent
from telemetry.store.models import ContentRow, EngineConfigRow, PhasesRow, RequestRow
from telemetry.store.phases import StoredPhases, decode
from telemetry.store.queries import delays
from telemetry.store.queries.delays import StoredDelay
from telemetry.store.queries.reading import StoreUnreadable, fetch
from telemetry.store.rollup_models import SeriesRow
from telemetry.store.seq import seq_at

PAGE_SIZE = 50
"""Requests on one page."""


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """A filter of requests; None leaves a condition out. `context` is a context bucket; `since` is
    inclusive, `until` exclusive (aware UTC).
    """

    model: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place where a page begins: requests older than `before`
    or newer than `after` (both `seq`); neither is the newest page.
    """

    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class RequestPage:
    """One page, newest first; `older` and `newer` lead to the neighbours, None where there is none."""

    rows: list[RequestRow]
    older: Cursor | None
    newer: Cursor | None


@dataclass(frozen=True, slots=True)
class RequestDetail:
    """One request with its phases (None until it ended) and
    engine configuration; `same_id` counts rows with its id.

    `delayed_by` is what it waited for and `delayed` who waited for it; `content` is what was said, None where
    that is not kept; `nearest` is the known prompt that its own was compared with.
    """

    row: RequestRow
    phases: StoredPhases | None
    config: EngineConfigRow | None
    same_id: int
    content: StoredContent | None = None
    nearest: Nearest | None = None
    delayed_by: Sequence[StoredDelay] = ()
    delayed: Sequence[StoredDelay] = ()


@dataclass(frozen=True, slots=True)
class Nearest:
    """Another request, and what was said in it."""

    request_id: str
    content: StoredContent


async def page(
    engine: AsyncEngine, wanted: RequestFilter, cursor: Cursor, size: int = PAGE_SIZE
) -> RequestPage:
    """One page of requests; reads one row more than it shows, to know whether another page follows."""
    backwards = cursor.after is not None
    found = [row[0] for row in await fetch(engine, _page_statement(wanted, cursor, size + 1))]
    more, rows = len(found) > size, found[:size]
    if backwards:
        rows.reverse()
    if not rows:
        return RequestPage([], None, None)
    has_older = more if not backwards else True
    has_newer = more if backwards else cursor.before is not None
    return RequestPage(
        rows,
        older=Cursor(before=rows[-1].seq) if has_older else None,
        newer=Cursor(after=rows[0].seq) if has_newer else None,
    )


def _page_statement(wanted: RequestFilter, cursor: Cursor, limit: int) -> Select[RequestRow]:
    """Order and limit follow the cursor's direction; the context
    bucket alone has no index and is filtered on the way.
    """
    statement = select(RequestRow).where(*_conditions(wanted)).limit(limit)
    if cursor.after is not None:
        return statement.where(RequestRow.seq > cursor.after).order_by(RequestRow.seq)
    if cursor.before is not None:
        statement = statement.where(RequestRow.seq < cursor.before)
    return statement.order_by(RequestRow.seq.desc())


def _conditions(wanted: RequestFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.model is not None:
        conditions.append(RequestRow.model == wanted.model)
    if wanted.status is not None:
        conditions.append(RequestRow.status == wanted.status)
    if wanted.context is not None:
        conditions.append(RequestRow.context_bucket == wanted.context)
    if wanted.since is not None:
        conditions.append(RequestRow.seq >= seq_at(wanted.since))
    if wanted.until is not None:
        conditions.append(RequestRow.seq < seq_at(wanted.until))
    return conditions


async def one(engine: AsyncEngine, request_id: str) -> RequestDetail | None:
    """The newest request with this id, or None."""
    newest = select(RequestRow).where(RequestRow.id == request_id).order_by(RequestRow.seq.desc()).limit(1)
    found = await fetch(engine, newest)
    if not found:
        return None
    row: RequestRow = found[0][0]
    count = await fetch(
        engine, select(func.count()).select_from(RequestRow).where(RequestRow.id == request_id)
    )
    phases, content = await _phases(engine, row.seq), await _content(engine, row.seq)
    nearest = None if phases is None or content is None else await _nearest(engine, phases)
    delayed_by, delayed = await delays.delayed_by(engine, row.seq), await delays.delayed(engine, row.seq)
    return RequestDetail(
        row,
        phases,
        await _config(engine, row.engine_config_id),
        count[0][0],
        content,
        nearest,
        delayed_by,
        delayed,
    )


async def _phases(engine: AsyncEngine, seq: int) -> StoredPhases | None:
    found = await fetch(engine, select(PhasesRow.phases).where(PhasesRow.seq == seq))
    try:
        return decode(found[0][0]) if found else None
    except DecodeError as error:
        raise StoreUnreadable(f"the phases of request {seq} are damaged: {error}") from error


async def _content(engine: AsyncEngine, seq: int) -> StoredContent | None:
    found = await fetch(engine, select(ContentRow.content).where(ContentRow.seq == seq))
    try:
        return contents.decode(found[0][0]) if found else None
    except DecodeError as error:
        raise StoreUnreadable(f"the content of request {seq} is damaged: {error}") from error


async def _nearest(engine: AsyncEngine, phases: StoredPhases) -> Nearest | None:
    """The request that the cache lookup compared with, where its content is kept too."""
    lookup = next((timed.attributes for timed in phases.phases if timed.phase is Phase.CACHE_LOOKUP), {})
    if "nearest" not in lookup:
        return None
    seq = int(lookup["nearest"])
    found, content = (
        await fetch(engine, select(RequestRow.id).where(RequestRow.seq == seq)),
        await _content(engine, seq),
    )
    return Nearest(found[0][0], content) if found and content else None


async def _config(engine: AsyncEngine, config_id: str | None) -> EngineConfigRow | None:
    if config_id is None:
        return None
    found = await fetch(engine, select(EngineConfigRow).where(EngineConfigRow.id == config_id))
    return found[0][0] if found else None


async def models(engine: AsyncEngine) -> list[str]:
    """Model names seen so far, from the dimension tables (never by scanning requests)."""
    names = {row[0] for row in await fetch(engine, select(SeriesRow.model).distinct())}
    names |= {row[0] for row in await fetch(engine, select(EngineConfigRow.model).distinct())}
    return sorted(name for name in names if name)


async def configurations(engine: AsyncEngine) -> list[EngineConfigRow]:
    """Every engine configuration that ever served, newest first."""
    return [
        row[0]
        for row in await fetch(engine, select(EngineConfigRow).order_by(EngineConfigRow.first_seen_at.desc()))
    ]
