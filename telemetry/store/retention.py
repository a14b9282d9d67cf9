"""Retention: requests are deleted by age and by the database's
size, contents and roll-ups by age; a chunk per transaction.

SQLite gives emptied pages back (`auto_vacuum=INCREMENTAL`, set when the file is made); an older file reuses
them, so it stops growing. Nothing needs VACUUM.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telemetry.clock import WallClock
from telemetry.events import Status
from telemetry.logs.events import event
from telemetry.store.batch import REQUESTS
from telemetry.store.content_retention import prune_contents
from telemetry.store.maintenance import Timer
from telemetry.store.rollups.spans import LONG_SPANS
from telemetry.store.rollups.tables import COUNTERS, LONG_TABLES, MINUTE_TABLES
from telemetry.store.seq import seq_at

log = logging.getLogger(__name__)

CHUNK_ROWS = 500
"""Requests deleted in one transaction: some milliseconds, so that writing never waits for it."""

CHUNK_MINUTES = 24 * 60
"""Minutes of roll-ups deleted in one transaction."""

EVERY_S = 60.0
"""Between two looks at whether something must go."""

ENOUGH = 0.9
"""Of `max_bytes`: down to where requests go once the database has outgrown it."""

STEADY_S = 600.0
"""After the wall clock jumped nothing is forgotten by age for
so long: whoever set it may have to set it again.
"""

DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Retention:
    """The days that requests, roll-ups and contents stay, and the largest size of the database (SQLite
    only) and of the contents in it (bytes); 0 is no limit.
    """

    request_days: float = 0
    rollup_days: float = 0
    max_bytes: int = 0
    content_days: float = 0
    content_max_bytes: int = 0


@dataclass(slots=True)
class Pruner:
    """Applies a retention little by little; maintenance of the writer
    (`telemetry.store.maintenance.Maintenance`).
    """

    retention: Retention
    pruned: int = 0
    """Requests forgotten since the start."""
    contents_pruned: int = 0
    """Contents forgotten since the start, but for those that went with their requests."""
    wall: WallClock = field(default_factory=WallClock)
    timer: Timer = field(default_factory=lambda: Timer(EVERY_S))
    _steady: bool = True
    _shrinking: bool = False

    def wait_s(self) -> float:
        """Seconds until there is something to do."""
        return self.timer.wait_s()

    async def run_once(self, engine: AsyncEngine) -> None:
        """Delete one chunk, if it is due.

        Raises:
            SQLAlchemyError: the database cannot be written; it is tried again later.
        """
        if not self.timer.is_due():
            return
        self.timer.restart()
        self._steady = self.wall.is_steady(STEADY_S)
        async with engine.begin() as connection:
            now = datetime.now(UTC)
            before_seq = self._content_limit(now)
            contents = await prune_contents(connection, before_seq, self.retention.content_max_bytes)
            requests, more = await self._chunk(connection, now)
        self.pruned += requests
        self.contents_pruned += contents
        if (requests or contents or more) and engine.dialect.name == "sqlite":
            await give_back_pages(engine)
        if more or contents:
            self.timer.restart(more=True)

    async def _chunk(self, connection: AsyncConnection, now: datetime) -> tuple[int, bool]:
        """Delete what is next; returns how many requests went, and whether there may be more to do."""
        too_large = await self._too_large(connection)
        aged = await prune_requests(connection, self._request_limit(now))
        minutes = await prune_rollups(connection, self._rollup_limit(now))
        for_size, more = await self._shrink(connection, now) if too_large and not aged else (0, False)
        return aged + for_size, aged == CHUNK_ROWS or minutes or more

    async def _shrink(self, connection: AsyncConnection, now: datetime) -> tuple[int, bool]:
        """Requests of former days go first, then roll-ups of former
        days (which alone may fill a small cap), then the rest.
        """
        yesterday = now - timedelta(days=1)
        if former := await prune_requests(connection, seq_at(yesterday)):
            return former, True
        if await prune_rollups(connection, int(yesterday.timestamp()) // 60):
            return 0, True
        newer = await prune_requests(connection, None)
        if not newer:
            self._shrinking = False
            words = "the database is larger than store.max_bytes and holds no request that could go"
            log.warning(words, extra=event("store.too_large"))
        return newer, newer > 0

    async def _too_large(self, connection: AsyncConnection) -> bool:
        """Begins above `max_bytes`, and lasts until there is room again."""
        used = await used_bytes(connection) if self.retention.max_bytes else None
        if used is not None:
            self._shrinking = used > self.retention.max_bytes * (ENOUGH if self._shrinking else 1)
        return self._shrinking

    def _days(self, days: float) -> float:
        """0, no limit, while it is not sure what time it is."""
        return days if self._steady else 0

    def _request_limit(self, now: datetime) -> int:
        return _seq_before(now, self._days(self.retention.request_days))

    def _content_limit(self, now: datetime) -> int:
        return _seq_before(now, self._days(self.retention.content_days))

    def _rollup_limit(self, now: datetime) -> int:
        days = self._days(self.retention.rollup_days)
        return int(now.timestamp() // 60 - days * DAY_MINUTES) if days else 0


def _seq_before(now: datetime, days: float) -> int:
    return seq_at(now - timedelta(days=days)) if days else 0


async def prune_requests(connection: AsyncConnection, before_seq: int | None, limit: int = CHUNK_ROWS) -> int:
    """Delete the oldest ended requests with their phases and contents, at most `limit`, all of them admitted
    before `before_seq` (None: whenever); returns how many.
    """
    ended: list[ColumnElement[bool]] = [REQUESTS.c.status != Status.RUNNING.value]
    if before_seq is not None:
        ended.append(REQUESTS.c.seq < before_seq)
    oldest = select(REQUESTS.c.seq).where(*ended).order_by(REQUESTS.c.seq).limit(limit).subquery()
    last = (await connection.execute(select(func.max(oldest.c.seq)))).scalar_one()
    if last is None:
        return 0
    return (await connection.execute(delete(REQUESTS).where(REQUESTS.c.seq <= last, ended[0]))).rowcount


async def prune_rollups(connection: AsyncConnection, before_minute: int) -> bool:
    """Delete the oldest roll-ups from before a minute, at most a day of them; returns whether there were any.

    A longer span goes with its first minute: what is left of it is read as shorter ones.
    """
    first = (await connection.execute(select(func.min(COUNTERS.minutes.c.minute)))).scalar_one()
    if first is None or first >= before_minute:
        return False
    until = min(before_minute, first + CHUNK_MINUTES)
    for table in MINUTE_TABLES:
        await connection.execute(delete(table).where(table.c.minute < until))
    for table in LONG_TABLES:
        await connection.execute(delete(table).where(table.c.minutes.in_(LONG_SPANS), table.c.minute < until))
    return True


async def used_bytes(connection: AsyncConnection) -> int | None:
    """Bytes of the pages in use; None for another database than
    SQLite, whose size says little about what is in it.
    """
    if connection.dialect.name != "sqlite":
        return None
    pages, free, size = [
        await pragma(connection, name) for name in ("page_count", "freelist_count", "page_size")
    ]
    return (pages - free) * size


async def pragma(connection: AsyncConnection, name: str) -> int:
    """A number that SQLite says of the database."""
    return int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one())


async def give_back_pages(engine: AsyncEngine) -> None:
    """Shorten the SQLite file by its free pages; without effect
    on a file that was made without `auto_vacuum`.
    """
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        # one page per step: `execute` takes only the first of them
        await raw.executescript("PRAGMA incremental_vacuum")
