"""From the settings to what the store forgets: for the gateway and for `firsttoken db prune`."""

from __future__ import annotations

from gateway.settings.load import Settings
from telemetry.store.retention import Retention


def retention_of(settings: Settings) -> Retention:
    """Requests, statistics and contents, each by its own settings."""
    store, capture = settings.store, settings.capture
    return Retention(
        store.retention_days,
        store.rollup_retention_days,
        store.max_bytes,
        capture.retention_days,
        capture.max_bytes,
    )
