"""Maintenance of the store, by its writer between two batches, a piece at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine


class Maintenance(Protocol):
    """One kind of maintenance; the writer runs it whenever it is due."""

    def wait_s(self) -> float:
        """Seconds until there is something to do; 0 where that is now."""

    async def run_once(self, engine: AsyncEngine) -> None:
        """Do one piece, some milliseconds of work, if it is due.

        Raises:
            SQLAlchemyError: the database cannot be written.
        """


@dataclass(slots=True)
class Timer:
    """The time at which something is due: the monotonic `due_s` (0: at once), and then every `every_s`
    seconds.
    """

    every_s: float
    due_s: float = 0.0

    def wait_s(self) -> float:
        """Seconds until it is due; 0 where it is."""
        return max(0.0, self.due_s - time.monotonic())

    def is_due(self) -> bool:
        """True where it is due now."""
        return self.wait_s() == 0

    def restart(self, *, more: bool = False) -> None:
        """Make it due in `every_s`, or at once where there is `more` to do."""
        self.due_s = time.monotonic() + (0.0 if more else self.every_s)
