"""`GET /api/stats`: what was measured, per model and context size, engine configuration or day."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec
from litestar import Response, get
from litestar.params import FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.errors import InvalidRequestError, StoreUnavailableError
from telemetry.store.queries.reading import StoreUnreadable
from telemetry.store.queries.report import ReportRow, as_csv, report
from telemetry.store.queries.windows import By, Window, window_of


class Form(StrEnum):
    """How the answer is written."""

    JSON = "json"
    CSV = "csv"


Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class StatsSource:
    """Where the figures come from: the store's reader, and the context buckets in their order."""

    reader: AsyncEngine
    buckets: Sequence[str]


class Stats(msgspec.Struct):
    """The rows of a window (`since`: its length up to now) by `by`."""

    since: str
    by: By
    model: str | None
    rows: list[ReportRow]


@get("/api/stats", operation_id="stats", tags=["operation"])
async def stats(
    stats_source: StatsSource,
    model: FromQuery[str | None] = None,
    since: Annotated[str, QueryParameter(name="since", description="90m, 36h, 7d, 2w or all")] = "24h",
    by: Annotated[str, QueryParameter(name="by", description="context, config or day")] = "context",
    form: Annotated[str, QueryParameter(name="format", description="json or csv")] = "json",
) -> Response[Stats] | Response[str]:
    """TTFT, queue time, prompt and output rate, inter-token latency, cache share and errors; null is "not
    measured".

    The slow side of a time is its p95 and p99, that of a rate is its p5. `cached_share` is of
    `served_prompt_tokens`, the prompt tokens of the requests that got their first token; `prompt_tokens` and
    `cached_tokens` are those of all requests.
    """
    window, grouping = _window(since), _choice("by", By, by)
    wanted = _choice("format", Form, form)
    try:
        rows = await report(
            stats_source.reader, window, grouping, time.time(), model=model, buckets=stats_source.buckets
        )
    except StoreUnreadable as error:
        raise StoreUnavailableError(
            f"The store could not be read: {error}. Serving goes on; try again.", retry_after_s=5
        ) from error
    if wanted is Form.CSV:
        return Response(as_csv(rows), media_type="text/csv; charset=utf-8")
    return Response(Stats(window.key, grouping, model, rows), media_type="application/json")


def _window(since: str) -> Window:
    try:
        return window_of(since)
    except ValueError as error:
        raise InvalidRequestError(f"since: {error}", param="since") from None


def _choice(name: str, choices: type[Choice], value: str) -> Choice:
    try:
        return choices(value)
    except ValueError:
        raise InvalidRequestError(
            f"{name} must be one of {', '.join(choices)}, not {value!r}", param=name
        ) from None
