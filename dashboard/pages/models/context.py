"""The context of the Models page's template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from dashboard.charts.geometry import HeatCell
from dashboard.pages.models.kv_quality import KvQuality
from dashboard.words.facts import Fact
from telemetry.live import LiveEngine
from telemetry.store.models import SpeedChangeRow
from telemetry.store.queries.groups import Group
from telemetry.store.queries.windows import Window


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One model's line of a heat map."""

    model: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A measure's median by model and context bucket; `unit` as shown (`ms` values are told as times)."""

    title: str
    unit: str
    buckets: tuple[str, ...]
    rows: tuple[HeatRow, ...]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model: its engine now, its configuration, and its speed by context size.

    `tuning` is what of the configuration was chosen by measurement, `energy` what its requests took and cost.
    """

    name: str
    engine: LiveEngine | None
    configuration: tuple[Fact, ...]
    tuning: str
    buckets: tuple[Group, ...]
    energy: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationRow:
    """An engine configuration that served, with what it did in the window (None: nothing)."""

    config_id: str
    model: str
    first_seen_at: datetime
    summary: str
    measured: Group | None


@dataclass(frozen=True, slots=True)
class SpeedChangeRows:
    """Speeds that changed from one configuration to the next; `changed` says what else did, or ''."""

    model: str
    before_config_id: str
    after_config_id: str
    at: datetime
    changed: str
    rows: tuple[SpeedChangeRow, ...]


@dataclass(frozen=True, slots=True)
class ModelsContext:
    """Models, their engines and their speed."""

    window: Annotated[Window, "The window that the figures cover."]
    windows: Annotated[tuple[Window, ...], "The windows to choose from."]
    models: Annotated[tuple[ModelCard, ...], "Every model that is configured or was seen in the window."]
    heat_maps: Annotated[tuple[HeatMap, ...], "Speed by model and context size, if it was measured."]
    speed_changes: Annotated[tuple[SpeedChangeRows, ...], "What the regression watch found, newest first."]
    configurations: Annotated[tuple[ConfigurationRow, ...], "Configurations that ever served, newest first."]
    kv_quality: Annotated[tuple[KvQuality, ...], "What smaller KV types save and cost."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
