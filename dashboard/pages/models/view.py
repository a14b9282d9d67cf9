"""`/dashboard/models`: each model's engine, its effective configuration, and its speed by context size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from dashboard.charts.geometry import heat_row
from dashboard.deps import DashboardDeps
from dashboard.page import Query, StoreView
from dashboard.pages.models.context import ConfigurationRow, HeatMap, HeatRow, ModelCard, ModelsContext
from dashboard.pages.models.kv_quality import KV_QUALITY
from dashboard.pages.models.speed_changes import speed_changes
from dashboard.pages.windows import chosen_window
from dashboard.words.configuration import configuration_facts, configuration_summary
from dashboard.words.energy import energy_facts
from telemetry.live import LiveEngine
from telemetry.store.models import EngineConfigRow, SpeedChangeRow
from telemetry.store.queries import groups, requests, speed
from telemetry.store.queries.groups import Group
from telemetry.store.queries.windows import WINDOWS, Window
from telemetry.store.rollups.measures import Measure


@dataclass(slots=True)
class ModelsView(StoreView):
    """The models over one window; the live part shows even when the store cannot be read."""

    deps: DashboardDeps
    window: Window
    contexts: list[Group] = field(default_factory=list)
    measured: list[Group] = field(default_factory=list)
    configurations: list[EngineConfigRow] = field(default_factory=list)
    changes: list[SpeedChangeRow] = field(default_factory=list)

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The window that an address names."""
        return cls(deps, chosen_window(query["window"], "24h"))

    @property
    def stream_query(self) -> Query:
        return {"window": self.window.key}

    async def read(self) -> None:
        reader, now_s = self.deps.reader, self.deps.wall_s()
        self.contexts = await groups.by_context(reader, self.window, now_s)
        self.measured = await groups.by_configuration(reader, self.window, now_s)
        self.configurations = await requests.configurations(reader)
        self.changes = await speed.known(reader)

    def context(self) -> ModelsContext:
        engines = {engine.status.model: engine for engine in self.deps.live.engines()}
        names = [*engines, *sorted({group.model for group in self.contexts if group.model} - set(engines))]
        return ModelsContext(
            window=self.window,
            windows=tuple(WINDOWS.values()),
            models=tuple(self._card(name, engines.get(name)) for name in names),
            heat_maps=self._heat_maps(names),
            speed_changes=speed_changes(self.changes, self.configurations),
            configurations=tuple(self._configuration(row) for row in self.configurations),
            kv_quality=KV_QUALITY,
            store_error=self.error,
        )

    def _card(self, name: str, engine: LiveEngine | None) -> ModelCard:
        details: Mapping[str, object] = {}
        if engine is not None and engine.status.config is not None:
            details = asdict(engine.status.config)
        elif engine is None:
            details = next((row.details for row in self.configurations if row.model == name), {})
        tuning = "" if engine is None else engine.status.tuning
        totals = [group.totals for group in self.contexts if group.model == name]
        energy = energy_facts(totals, self.deps.energy(), self.deps.prices)
        buckets = tuple(self._by_bucket(name))
        return ModelCard(name, engine, configuration_facts(details), tuning, buckets, energy)

    def _by_bucket(self, name: str) -> Sequence[Group]:
        """A model's groups in the order of the buckets; labels of an earlier setting come last."""
        order = {label: index for index, label in enumerate(self.deps.buckets.labels)}
        own = [group for group in self.contexts if group.model == name and group.part]
        return sorted(own, key=lambda group: (order.get(group.part, len(order)), group.part))

    def _heat_maps(self, names: Sequence[str]) -> tuple[HeatMap, ...]:
        maps = (
            self._heat_map("Time to first token, p50", "ms", names, Measure.TTFT),
            self._heat_map("Output rate, p50", "tokens/s", names, Measure.OUTPUT_RATE),
        )
        return tuple(heat_map for heat_map in maps if heat_map.rows)

    def _heat_map(self, title: str, unit: str, names: Sequence[str], measure: Measure) -> HeatMap:
        """The medians of a measure, without models of which nothing was measured."""
        values = {(group.model, group.part): group.percentiles(measure).p50 for group in self.contexts}
        known = [value for value in values.values() if value is not None]
        buckets, rows = self.deps.buckets.labels, []
        for name in names:
            line = [values.get((name, bucket)) for bucket in buckets]
            if any(value is not None for value in line):
                rows.append(HeatRow(name, heat_row(line, min(known), max(known))))
        return HeatMap(title, unit, buckets, tuple(rows))

    def _configuration(self, row: EngineConfigRow) -> ConfigurationRow:
        own = (group for group in self.measured if group.part == row.id and group.model == row.model)
        measured = next(own, None)
        return ConfigurationRow(row.id, row.model, row.first_seen_at, configuration_summary(row), measured)
