"""The cached share: the one definition of it that every page, report and metric has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.queries.reading import fetch_columns
from telemetry.store.queries.rollup_reader import Cover, Key, rows_in, window_cover
from telemetry.store.queries.windows import Window
from telemetry.store.rollup_models import SeriesRow
from telemetry.store.rollups.tables import CACHE


@dataclass(frozen=True, slots=True)
class CacheShare:
    """Prompt tokens of the requests that got their first token: those that the prefix cache supplied, and
    those that were computed.

    A prompt that was refused, or whose request ended before its first token, had no part of it computed that
    anybody counted, so it is no part of the share.
    """

    cached_tokens: int = 0
    computed_tokens: int = 0

    @property
    def tokens(self) -> int:
        """The prompts whole: what the share is of."""
        return self.cached_tokens + self.computed_tokens

    @property
    def share(self) -> float | None:
        """The cached share; None where no prompt was computed to its end."""
        return self.cached_tokens / self.tokens if self.tokens else None


NO_PROMPTS = CacheShare()


async def cache_share(engine: AsyncEngine, window: Window, now_s: float) -> CacheShare:
    """Of all models together.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    return (await shares(engine, await window_cover(engine, window, now_s), lambda _: ())).get((), NO_PROMPTS)


async def shares(
    engine: AsyncEngine, covered: Cover, key: Key, where: Iterable[ColumnElement[bool]] = ()
) -> Mapping[tuple[Any, ...], CacheShare]:
    """Of each group; `where` is about `SeriesRow`.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    rows = rows_in(CACHE, covered)
    parts = key(rows.c.minute)
    statement = select(*parts, func.sum(rows.c.cached_tokens), func.sum(rows.c.computed_tokens))
    found = await fetch_columns(
        engine, statement.join(SeriesRow, SeriesRow.id == rows.c.series_id).where(*where).group_by(*parts)
    )
    return {tuple(row[:-2]): CacheShare(int(row[-2] or 0), int(row[-1] or 0)) for row in found}
