"""Options of telemetry from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.settings.load import Settings
from gateway.settings.retention import retention_of
from gateway.settings.sections import CaptureSettings, CostSettings, SloSettings, TelemetrySettings
from telemetry.context_buckets import ContextBuckets
from telemetry.cost import Prices
from telemetry.options import (
    CaptureOptions,
    EnergyOptions,
    OutputOptions,
    RequestOptions,
    SloOptions,
    StoreOptions,
    TelemetryOptions,
)
from telemetry.slo import AVAILABILITY, INTER_TOKEN, TTFT, Objective


def telemetry_options(settings: Settings, env: Mapping[str, str], base_url: str) -> TelemetryOptions:
    """All of them; `env` has the standard `OTEL_*` variables,
    `base_url` is where clients reach the gateway.
    """
    telemetry = settings.telemetry
    return TelemetryOptions(
        store=StoreOptions(settings.store_url, settings.store.queue_size, retention_of(settings)),
        output=OutputOptions(env, telemetry.log_level),
        requests=RequestOptions(ContextBuckets(telemetry.context_buckets), telemetry.baggage),
        slo=slo_options(settings.slo, base_url),
        energy=energy_options(telemetry, settings.cost),
        capture=capture_options(settings.capture),
        home=settings.home,
        enabled=telemetry.enabled,
    )


def capture_options(settings: CaptureSettings) -> CaptureOptions:
    """The part of what was said that is kept."""
    return CaptureOptions(settings.content, settings.max_text_chars, settings.redact_patterns)


def slo_options(settings: SloSettings, gateway: str) -> SloOptions:
    """The objectives and who hears of them; `gateway` is where it is reached."""
    objectives = (
        Objective(AVAILABILITY, settings.availability),
        Objective(TTFT, settings.ttft_share, settings.ttft_ms),
        Objective(INTER_TOKEN, settings.inter_token_share, settings.inter_token_ms),
    )
    return SloOptions(objectives, settings.window_days, settings.webhook_url, gateway, settings.check_every_s)


def energy_options(settings: TelemetrySettings, cost: CostSettings) -> EnergyOptions:
    """The counters that are read, and what things cost."""
    prices = Prices(
        cost.price_per_kwh,
        cost.price_per_input_token,
        cost.price_per_output_token,
        cost.price_per_cached_input_token,
        cost.currency,
    )
    return EnergyOptions(settings.energy_sources, Path(settings.rapl_path), prices)
