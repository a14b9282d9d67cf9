"""From settings to what telemetry is started with."""

from __future__ import annotations

from pathlib import Path

from gateway.settings.sections import CaptureSettings, CostSettings, SloSettings, TelemetrySettings
from telemetry.cost import Prices
from telemetry.slo import AVAILABILITY, INTER_TOKEN, TTFT, Objective
from telemetry.stack import CaptureOptions, EnergyOptions, SloOptions


def capture_options(settings: CaptureSettings) -> CaptureOptions:
    """What of a request is kept of what was said."""
    return CaptureOptions(settings.content, settings.max_text_chars, settings.redact_patterns)


def slo_options(settings: SloSettings, gateway: str) -> SloOptions:
    """The objectives and who is told; `gateway` is where it is reached."""
    objectives = (
        Objective(AVAILABILITY, settings.availability),
        Objective(TTFT, settings.ttft_share, settings.ttft_ms),
        Objective(INTER_TOKEN, settings.inter_token_share, settings.inter_token_ms),
    )
    return SloOptions(objectives, settings.window_days, settings.webhook_url, gateway, settings.check_every_s)


def energy_options(settings: TelemetrySettings, cost: CostSettings) -> EnergyOptions:
    """Which counters are read, and what things cost."""
    prices = Prices(
        cost.price_per_kwh, cost.price_per_input_token, cost.price_per_output_token, cost.price_per_cached_input_token, cost.currency
    )
    return EnergyOptions(settings.energy_sources, Path(settings.rapl_path), prices)
