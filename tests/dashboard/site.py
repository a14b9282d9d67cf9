"""The dashboard alone as an application, with everything behind it in the test's hands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.exceptions import HTTPException
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dashboard.deps import DashboardDeps
from dashboard.pages.settings.context import Setting
from dashboard.router import ErrorPages, dashboard_router
from gateway.settings.load import load
from gateway.settings.values import shown_settings
from telemetry.context_buckets import ContextBuckets
from telemetry.cost import Prices
from telemetry.energy.sources import Report
from telemetry.health import DiskHealth, ExporterHealth, ReadinessResult, StoreHealth, readiness
from telemetry.live import LiveSink
from telemetry.slo import ObjectiveReport
from telemetry.store.models import Base
from tests.dashboard.samples import MS, NOW

SECRETS = ("hunter2", "tkn-f00ba4", "svc-9911", "c0ffee-key")
"""Parts of what is secret in `SECRET_ENV`."""

SECRET_ENV = {
    "FIRSTTOKEN_STORE_URL": (
        "postgresql://ada:hun/ter@hunter2@db.example/firsttoken?password=hunter2&sslmode=require"
    ),
    "FIRSTTOKEN_SLO_WEBHOOK_URL": "https://ada:hunter2@hooks.example/services/svc-9911?token=tkn-f00ba4",
    "FIRSTTOKEN_SERVER_ALLOWED_ORIGINS": "https://ada:hunter2@chat.example",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://ada:hunter2@otlp.example/tkn-f00ba4/v1?key=c0ffee-key",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic hunter2,x-api-key=c0ffee-key",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-honeycomb-team=c0ffee-key",
    "OTEL_SOMETHING_API_KEY": "c0ffee-key",
}
"""An environment in which much is secret."""

SETTINGS = shown_settings(
    load(SECRET_ENV, flags={"engine.slots": "4"}, home=Path("/home/ada/.local/share/firsttoken")), SECRET_ENV
)
"""Every setting as the gateway gives it to the page."""


@dataclass(slots=True)
class SampleHealth:
    """A gateway that is well, unless told otherwise; its readiness is that of the engines in the sink."""

    sink: LiveSink
    written: StoreHealth = field(
        default_factory=lambda: StoreHealth("", 3, 20_000, 0, 48 * 2**20, 2 * 2**30, 0.2)
    )
    sent: tuple[ExporterHealth, ...] = (
        ExporterHealth("traces", "http://127.0.0.1:4318", 12_345, 0, 0, failing=False),
    )
    lag_s: float | None = 0.004
    room: DiskHealth = field(
        default_factory=lambda: DiskHealth("/home/ada/.local/share/firsttoken", 120 * 2**30, 500 * 2**30)
    )

    def readiness(self) -> ReadinessResult:
        return readiness(engine.status for engine in self.sink.engines())

    def store(self) -> StoreHealth:
        return self.written

    def exporters(self) -> tuple[ExporterHealth, ...]:
        return self.sent

    def loop_lag_s(self) -> float | None:
        return self.lag_s

    def disk(self) -> DiskHealth:
        return self.room


NO_RAPL = Report(missing=("RAPL: /sys/class/powercap cannot be read (No such file or directory)",))


@dataclass(slots=True)
class Site:
    """An application with the dashboard alone, and everything behind it."""

    engine: AsyncEngine
    sink: LiveSink = field(default_factory=LiveSink)
    objectives: tuple[ObjectiveReport, ...] = ()
    energy: Report = NO_RAPL
    prices: Prices = field(default_factory=Prices)
    settings: Sequence[Setting] = ()
    now_ns: int | None = 10_000 * MS
    health: SampleHealth = field(init=False)

    def __post_init__(self) -> None:
        if self.now_ns is not None:
            self.sink = LiveSink(lambda: self.now_ns or 0)
        self.health = SampleHealth(self.sink)

    def deps(self) -> DashboardDeps:
        """What the router gets; `now_ns` None leaves the real clocks running."""
        clocks: dict[str, Any] = {} if self.now_ns is None else {"clock_ns": lambda: self.now_ns}
        return DashboardDeps(
            reader=self.engine, live=self.sink, health=self.health, buckets=ContextBuckets(),
            objectives=lambda: self.objectives, energy=lambda: self.energy, prices=self.prices,
            base_url=lambda: "http://127.0.0.1:8080", version="0.1.0", settings=self.settings,
            wall_s=NOW.timestamp, **clocks,
        )  # fmt: skip

    def app(self) -> Litestar:
        """A fresh application."""
        refused = ErrorPages("0.1.0").refused
        return Litestar(
            [dashboard_router(self.deps())], openapi_config=None, exception_handlers={HTTPException: refused}
        )


async def empty_database(path: Path) -> AsyncEngine:
    """A database with all tables and no rows."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    return engine
