"""The dashboard's needs from the outside, injected by the composition root."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from dashboard.pages.settings.context import Setting
from telemetry.context_buckets import ContextBuckets
from telemetry.cost import Prices
from telemetry.energy.sources import Report as EnergyReport
from telemetry.health import HealthChecks
from telemetry.live import LiveView
from telemetry.slo import ObjectiveReport


@dataclass(frozen=True, slots=True)
class DashboardDeps:
    """Everything that pages read.

    `reader` is an engine for the store's read side; `objectives` are the newest reports; `energy` says what
    energy is read from; `base_url` is where clients reach the gateway, without a trailing slash
    (`http://127.0.0.1:8080`); `settings` are all settings, without secrets; `content_kept` is the setting
    `capture.content`. `clock_ns` is the monotonic clock that records are stamped with, `wall_s` is Unix time
    in seconds.
    """

    reader: AsyncEngine
    live: LiveView
    health: HealthChecks
    buckets: ContextBuckets
    objectives: Callable[[], Sequence[ObjectiveReport]]
    energy: Callable[[], EnergyReport]
    prices: Prices
    base_url: Callable[[], str]
    version: str
    settings: Sequence[Setting]
    content_kept: bool = False
    clock_ns: Callable[[], int] = time.monotonic_ns
    wall_s: Callable[[], float] = time.time
