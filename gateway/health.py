"""The health of a running gateway, gathered for pages from its engines and its telemetry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from telemetry.events import EngineStatus
from telemetry.health import DiskHealth, ExporterHealth, ReadinessResult, StoreHealth, readiness
from telemetry.stack import TelemetryStack


@dataclass(frozen=True, slots=True)
class GatewayHealth:
    """`telemetry.health.HealthChecks` of a running gateway."""

    statuses: Callable[[], Sequence[EngineStatus]]
    telemetry: TelemetryStack
    home: Path

    def readiness(self) -> ReadinessResult:
        return readiness(self.statuses())

    def store(self) -> StoreHealth:
        return self.telemetry.store_health()

    def exporters(self) -> Sequence[ExporterHealth]:
        return self.telemetry.exporter_health()

    def loop_lag_s(self) -> float | None:
        return self.telemetry.loop_lag_s()

    def disk(self) -> DiskHealth:
        room = self.telemetry.disk_room()
        if room is None:
            return DiskHealth(str(self.home), None, None)
        return DiskHealth(str(self.home), room.free_bytes, room.total_bytes)
