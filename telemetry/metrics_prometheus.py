"""The Prometheus backend: instruments as prometheus-client metrics on a registry of our own, with exemplars.

Looking up a labelled child costs more than observing, so children are kept by instrument and label values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from telemetry.accept import media_ranges, names, quality
from telemetry.instruments import ALL, Instrument, Kind, label_name
from telemetry.record import TraceIds

MAX_CHILDREN = 2000
"""Series per metric; more would be a bug of a caller, and are left out and counted."""

OPENMETRICS = "application/openmetrics-text"
TEXT = "text/plain"

Add = Callable[[float, TraceIds | None], None]


class UnacceptableError(ValueError):
    """There is no format that the client takes."""


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
        """The body and content type of `/metrics` for an Accept header: OpenMetrics when asked for, else classic text.

        Raises:
            UnacceptableError: the header rules both out.
        """
        encode, content_type = choose_encoder(_chosen(accept))
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


def _chosen(accept: str) -> str:
    """The one format to answer with, as an Accept header that prometheus-client, which knows no q, understands."""
    openmetrics, text = quality(accept, OPENMETRICS), quality(accept, TEXT)
    if names(accept, OPENMETRICS) and (openmetrics or 0) >= (text or 0):
        return _range_of(accept, OPENMETRICS)
    if text != 0:
        return _range_of(accept, TEXT)
    if openmetrics:
        return OPENMETRICS
    raise UnacceptableError(f"Metrics are {OPENMETRICS} or {TEXT}, and Accept rules out both.")


def _range_of(accept: str, media_type: str) -> str:
    """How a format was asked for, with the version and escaping that prometheus-client may repeat: those that there are."""
    asked = [found for found in media_ranges(accept) if found.media_type == media_type and found.q > 0]
    parameters = max(asked, key=lambda found: found.q).parameters if asked else {}
    if parameters.get("version") != "1.0.0":
        return media_type
    return f"{media_type};version=1.0.0;escaping={parameters.get('escaping', 'underscores')}"


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
