"""What the gateway tells whoever started it: where it listens, how far the models are, and that it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from telemetry.events import EngineState, EngineStatus
from telemetry.recorder import NullSink


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """One message; `progress` is 0..1 where it is known. `failed`: a model is given up, or the gateway
    cannot start.
    """

    event: Literal["listening", "progress", "ready", "failed", "stopping"]
    message: str
    base_url: str | msgspec.UnsetType = msgspec.UNSET
    """This and the other URLs are absolute; left out where the gateway has no address."""
    dashboard_url: str | msgspec.UnsetType = msgspec.UNSET
    metrics_url: str | msgspec.UnsetType = msgspec.UNSET
    models: list[str]
    progress: float | None = None


Announce = Callable[[Announcement], None]


class Announcer(NullSink):
    """Turns engine states into announcements; `ready` comes once, when every model is."""

    def __init__(self, announce: Announce, base_url: str | None, models: list[str]) -> None:
        self._announce = announce
        self._base_url = base_url
        self._models = models
        self._ready: set[str] = set()

    def say(
        self,
        event: Literal["listening", "progress", "ready", "failed", "stopping"],
        message: str,
        progress: float | None = None,
    ) -> None:
        """Announce something."""
        self._announce(
            Announcement(
                event=event,
                message=message,
                base_url=self._url(""),
                dashboard_url=self._url("/dashboard"),
                metrics_url=self._url("/metrics"),
                models=self._models,
                progress=progress,
            )
        )

    def _url(self, path: str) -> str | msgspec.UnsetType:
        return msgspec.UNSET if self._base_url is None else f"{self._base_url}{path}"

    def engine_status(self, status: EngineStatus) -> None:
        if status.state is EngineState.READY and status.model not in self._ready:
            self._ready.add(status.model)
            if len(self._ready) == len(self._models):
                self.say("ready", "ready: " + ", ".join(self._models))
        elif status.state is EngineState.FAILED:
            self.say("failed", f"{status.model} {status.reason}")
        elif status.state is EngineState.STARTING and status.load_progress is not None:
            self.say("progress", f"{status.model} {status.reason}", status.load_progress)
