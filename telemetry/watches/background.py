"""Background tasks on the gateway's event loop, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod


class BackgroundTask(ABC):
    """A task that runs for ever, until it is stopped."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; must be called on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=type(self).__name__)

    async def stop(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @abstractmethod
    async def _run(self) -> None:
        """For ever."""
