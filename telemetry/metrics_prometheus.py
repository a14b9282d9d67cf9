"""The Prometheus backend: instruments as prometheus-client metrics on a registry of our own, with exemplars.

Looking up a labelled child costs more than observing, so children are kept by instrument and label values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from telemetry.instruments import ALL, Instrument, Kind, label_name
from telemetry.record import TraceIds

MAX_CHILDREN = 2000
"""Series per metric; more would be a bug of a caller, and are left out and counted."""

Add = Callable[[float, TraceIds | None], None]


class PrometheusBackend:
    """Keeps every instrument's series and renders them; safe to render from another thread."""

    def __init__(self, instruments: Iterable[Instrument] = ALL) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # `_created` doubles the series of a scrape and nobody reads it
        self.registry = CollectorRegistry()
        self.refused_series = 0
        self._children: dict[Instrument, dict[tuple[str, ...], Add]] = {instrument: {} for instrument in instruments}
        self._metrics = {i: _metric(i, self.registry) for i in self._children if i.labels or i.kind is not Kind.GAUGE}

    def record(self, instrument: Instrument, value: float, labels: tuple[str, ...], trace: TraceIds | None) -> None:
        """Record one value; `labels` in the instrument's order."""
        add = self._children[instrument].get(labels) or self._child(instrument, labels)
        add(value, trace)

    def record_many(self, instrument: Instrument, values: Sequence[float], labels: tuple[str, ...], trace: TraceIds | None = None) -> None:
        """Record several values of one series; the trace is an example of the largest."""
        add = self._children[instrument].get(labels) or self._child(instrument, labels)
        example = values.index(max(values)) if trace is not None and values else -1
        for n, value in enumerate(values):
            add(value, trace if n == example else None)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The body and content type of `/metrics` for an Accept header: OpenMetrics when asked for, else classic text."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _child(self, instrument: Instrument, labels: tuple[str, ...]) -> Add:
        children = self._children[instrument]
        if len(children) >= MAX_CHILDREN:
            self.refused_series += 1
            return _nowhere
        if instrument not in self._metrics:  # a gauge without labels would say 0 before anything was measured
            self._metrics[instrument] = _metric(instrument, self.registry)
        metric = self._metrics[instrument]
        children[labels] = _add(instrument.kind, metric.labels(*labels) if labels else metric)
        return children[labels]


def _metric(instrument: Instrument, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    name, labels = instrument.prometheus_name, [label_name(label) for label in instrument.labels]
    if instrument.kind is Kind.HISTOGRAM:
        return Histogram(name, instrument.help, labels, buckets=instrument.buckets, registry=registry)
    kind = Counter if instrument.kind is Kind.COUNTER else Gauge
    return kind(name, instrument.help, labels, registry=registry)


def _add(kind: Kind, child: Counter | Gauge | Histogram) -> Add:
    """The child's method for its kind, with one signature for all."""
    if isinstance(child, Histogram):
        return lambda value, trace: child.observe(value, _exemplar(trace))
    if isinstance(child, Counter):
        return lambda value, _trace: child.inc(value)
    return (lambda value, _trace: child.inc(value)) if kind is Kind.UP_DOWN else (lambda value, _trace: child.set(value))


def _exemplar(trace: TraceIds | None) -> dict[str, str] | None:
    return None if trace is None else {"trace_id": trace.trace_id, "span_id": trace.span_id}


def _nowhere(_value: float, _trace: TraceIds | None) -> None:
    """Where values of a refused series go."""
