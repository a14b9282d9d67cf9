"""A metrics sink with both backends, and what each of them would tell: a scrape, and an export over OTLP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from telemetry.metrics.instrument import Instrument, label_name
from telemetry.metrics.otel import OtelBackend
from telemetry.metrics.sink import MetricsSink
from telemetry.slo import Objective
from tests.telemetry.records import MODEL

Series = dict[tuple[str, ...], float]
"""Values of the labels, in the instrument's order → value (of a histogram, how many there were)."""


@dataclass(slots=True)
class Both:
    """The sink and its two readers."""

    sink: MetricsSink
    reader: InMemoryMetricReader

    def scraped(self, instrument: Instrument) -> Series:
        """On `/metrics`."""
        self.sink.refresh()
        names = {instrument.prometheus_name, f"{instrument.prometheus_name}_count"}
        return {
            tuple(sample.labels[label_name(label)] for label in instrument.labels): sample.value
            for family in self.sink.prometheus.registry.collect()
            for sample in family.samples
            if sample.name in names
        }

    def exported(self, instrument: Instrument) -> Series:
        """Over OTLP, where a label that does not apply is left out."""
        self.sink.refresh()
        data = self.reader.get_metrics_data()
        found = [
            m
            for r in (data.resource_metrics if data else [])
            for s in r.scope_metrics
            for m in s.metrics
            if m.name == instrument.name
        ]
        points = [(point.attributes or {}, point) for metric in found for point in metric.data.data_points]
        return {
            tuple(str(attributes.get(label, "")) for label in instrument.labels): getattr(
                point, "value", getattr(point, "count", 0)
            )
            for attributes, point in points
        }

    def series(self, instrument: Instrument) -> Series:
        """By both of them alike."""
        scraped, exported = self.scraped(instrument), self.exported(instrument)
        assert scraped == exported
        return scraped


@contextmanager
def both(*objectives: Objective) -> Iterator[Both]:
    """A sink that serves one model."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    try:
        yield Both(
            MetricsSink(lambda: [MODEL], others=[OtelBackend(provider)], objectives=objectives), reader
        )
    finally:
        provider.shutdown()
