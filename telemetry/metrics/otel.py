"""The OpenTelemetry backend: the same instruments on an SDK meter, for OTLP.

Everything but histograms is kept in tables here and observed when metrics are collected: a value then costs a
fiftieth, and a gauge's series that was let go of is not exported for ever. One `record()` of the SDK costs
about ten times a Prometheus observation, so lists of values (the gaps between tokens) are recorded on a
thread that lets the event loop run in between.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from opentelemetry import trace as trace_api
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider

from telemetry import semconv
from telemetry.metrics.catalog import ALL
from telemetry.metrics.instrument import Instrument, Kind
from telemetry.trace_ids import TraceIds
from telemetry.tracing.context import span_context

MAX_WAITING_LISTS = 1000
"""Lists of values that wait for the thread; more are dropped and counted."""

YIELD_EVERY = 32
"""Values recorded before the thread offers the interpreter to others: about 0.4 ms."""


class OtelBackend:
    """Hands values to the SDK with the request's span context, so that exemplars are taken."""

    def __init__(self, provider: MeterProvider, instruments: Iterable[Instrument] = ALL) -> None:
        self._meter = provider.get_meter(semconv.SCOPE, semconv.installed(), semconv.SCHEMA_URL)
        self.dropped_lists = 0
        self._record: dict[Instrument, Any] = {}
        self._observed: dict[Instrument, dict[tuple[str, ...], float]] = {}
        for instrument in instruments:
            self.declare(instrument)
        self._attributes: dict[tuple[Instrument, tuple[str, ...]], dict[str, str | int]] = {}
        self._lists: queue.Queue[tuple[Instrument, list[float], tuple[str, ...], TraceIds | None]] = (
            queue.Queue(MAX_WAITING_LISTS)
        )
        threading.Thread(target=self._record_lists, name="otel-metrics", daemon=True).start()

    def declare(self, instrument: Instrument) -> None:
        """Create an instrument of the SDK; a second call changes nothing."""
        if instrument in self._record or instrument in self._observed:
            return
        if instrument.kind is Kind.HISTOGRAM:
            self._record[instrument] = _histogram(self._meter, instrument)
            return
        self._observed[instrument] = {}
        create = _observable(self._meter, instrument.kind)
        create(instrument.name, [partial(self._observe, instrument)], instrument.unit, instrument.help)

    def record(
        self, instrument: Instrument, value: float, labels: tuple[str, ...], trace: TraceIds | None
    ) -> None:
        """Record one value; `labels` in the instrument's order."""
        series = self._observed.get(instrument)
        if series is None:
            self._record[instrument](value, self._labelled(instrument, labels), _context(trace))
        elif instrument.kind is Kind.GAUGE:
            series[labels] = value
        else:
            series[labels] = series.get(labels, 0) + value

    def forget(self, instrument: Instrument, labels: tuple[str, ...]) -> None:
        """Let go of a gauge's series: the next export does not have it."""
        self._observed[instrument].pop(labels, None)

    def _observe(self, instrument: Instrument, _options: CallbackOptions) -> list[Observation]:
        return [
            Observation(value, self._labelled(instrument, labels))
            for labels, value in list(self._observed[instrument].items())
        ]

    def record_many(
        self,
        instrument: Instrument,
        values: Sequence[float],
        labels: tuple[str, ...],
        trace: TraceIds | None = None,
    ) -> None:
        """Queue several values of one series; the trace is an example of the largest."""
        try:
            self._lists.put_nowait((instrument, list(values), labels, trace))
        except queue.Full:
            self.dropped_lists += 1

    def _record_lists(self) -> None:
        while True:
            instrument, values, labels, trace = self._lists.get()
            attributes, record = self._labelled(instrument, labels), self._record[instrument]
            example = values.index(max(values)) if trace is not None and values else -1
            for n, value in enumerate(values):
                record(value, attributes, _context(trace) if n == example else None)
                if n % YIELD_EVERY == YIELD_EVERY - 1:
                    time.sleep(0)

    def _labelled(self, instrument: Instrument, labels: tuple[str, ...]) -> dict[str, str | int]:
        key = (instrument, labels)
        if key not in self._attributes:
            pairs = zip(instrument.labels, labels, strict=True)
            self._attributes[key] = {name: _typed(name, value) for name, value in pairs if value}
        return self._attributes[key]


def _typed(name: str, value: str) -> str | int:
    """The status code is an integer in the HTTP convention; every other label is text."""
    return int(value) if name == semconv.HTTP_RESPONSE_STATUS_CODE else value


def _histogram(meter: Meter, instrument: Instrument) -> Any:
    """The SDK instrument's recording method: (value, attributes, context)."""
    bounds = list(instrument.buckets)
    return meter.create_histogram(
        instrument.name, instrument.unit, instrument.help, explicit_bucket_boundaries_advisory=bounds
    ).record


def _observable(meter: Meter, kind: Kind) -> Callable[..., object]:
    """The method that creates an instrument of a kind that is observed."""
    if kind is Kind.GAUGE:
        return meter.create_observable_gauge
    return (
        meter.create_observable_counter if kind is Kind.COUNTER else meter.create_observable_up_down_counter
    )


def _context(trace: TraceIds | None) -> Context | None:
    if trace is None:
        return None
    return trace_api.set_span_in_context(trace_api.NonRecordingSpan(span_context(trace)), Context())
