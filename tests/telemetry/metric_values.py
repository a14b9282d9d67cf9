"""A metrics sink with the figures of a fake store and fake exporters, and what is read from it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from telemetry.health import StoreHealth
from telemetry.metrics import instruments_gateway
from telemetry.metrics.instrument import Instrument
from telemetry.metrics.otel import OtelBackend
from telemetry.metrics.outlets import Source
from telemetry.metrics.sink import MetricsSink
from telemetry.metrics.sources import DiskRoom, DiskSource, ExportSource, ProcessSource, StoreSource
from telemetry.polled import Polled
from telemetry.trace_ids import TraceIds
from tests.telemetry.records import MODEL


class FakeStore:
    """A store's figures."""

    def __init__(self) -> None:
        self.file_size: Polled[int | None] = Polled(lambda: 4096)

    def health(self) -> StoreHealth:
        return StoreHealth(queued=3, dropped=2, pruned=1, max_bytes=8192)

    def take_flushes(self) -> list[tuple[float, TraceIds | None]]:
        return [(0.01, None)]


class FakeExports:
    """Exporters' figures."""

    def totals(self) -> dict[tuple[Instrument, str], int]:
        return {(instruments_gateway.SDK_EXPORTED_SPANS, "export_failed"): 7}


def sink(*others: OtelBackend) -> MetricsSink:
    store, room = FakeStore(), Polled(partial(DiskRoom.of, Path.cwd()))
    for polled in (store.file_size, room):
        polled.newest()
        polled.join(60)
    sources: list[Source] = [
        StoreSource(store),
        ExportSource(FakeExports()),
        ProcessSource(),
        DiskSource(room),
    ]
    return MetricsSink(lambda: {MODEL}, others=others, sources=sources)


def value(metrics: MetricsSink, name: str, **labels: str) -> float | None:
    """The sum of a metric's series that have these labels."""
    found = [
        sample.value
        for family in metrics.prometheus.registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else None
