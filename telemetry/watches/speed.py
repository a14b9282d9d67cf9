"""The regression watch: looks every minute whether the engine
in force is faster or slower than the one before it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.logs.events import event
from telemetry.speed_change import SpeedChange
from telemetry.store.queries import speed
from telemetry.store.queries.reading import StoreUnreadable
from telemetry.watches.background import BackgroundTask

log = logging.getLogger(__name__)

EVERY_S = 60.0


class SpeedWatch(BackgroundTask):
    """A task on the gateway's event loop; reads the store's
    roll-ups, and calls `on_change` with each change once.
    """

    def __init__(
        self, reader: AsyncEngine, on_change: Callable[[SpeedChange], None], every_s: float = EVERY_S
    ) -> None:
        self._reader = reader
        self._on_change = on_change
        self._every_s = every_s
        self._reported: set[tuple[str, ...]] | None = None

    async def check(self) -> list[SpeedChange]:
        """Report what is new, and return it.

        Raises:
            StoreUnreadable: the database did not answer, or not in time.
        """
        if self._reported is None:
            rows = await speed.known(self._reader)
            self._reported = {
                (row.before_config_id, row.after_config_id, row.context_bucket, row.measure) for row in rows
            }
        found = await speed.changes(self._reader, time.time())
        new = [change for change in found if change.key not in self._reported]
        for change in new:
            self._reported.add(change.key)
            self._on_change(change)
        return new

    async def _run(self) -> None:
        """A store that cannot be read now is asked again later; nothing that fails here ends the watch."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.check()
            except StoreUnreadable as error:
                log.debug("speeds could not be compared: %s", error)
            except Exception:
                log.exception("speeds could not be compared", extra=event("speed.uncompared"))
