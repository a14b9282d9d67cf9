"""The Prometheus backend: the instruments' series in plain
lists, rendered by prometheus-client, with exemplars.

The library's own metrics take a lock per bucket, sum and exemplar; with them a
value costs four times as much, and a request records some fifty. Written by one
thread; a scrape may read from another, and is then at worst one value behind.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from telemetry.accept import media_ranges, names, quality
from telemetry.metrics.catalog import ALL
from telemetry.metrics.instrument import Instrument, Kind, label_name
from telemetry.trace_ids import TraceIds

MAX_CHILDREN = 2000
"""Series per metric; more would be a bug of a caller, and are left out and counted."""

OPENMETRICS = "application/openmetrics-text"
TEXT = "text/plain"

Sample = tuple[str, dict[str, str], float, Exemplar | None]
"""The end of its name, labels of its own, the value."""


class Child(Protocol):
    """One series."""

    def add(self, value: float, trace: TraceIds | None) -> None:
        """Take one value."""

    def add_many(self, values: Sequence[float]) -> None:
        """Take several, in order."""
        for value in values:
            self.add(value, None)

    def samples(self) -> Iterator[Sample]:
        """The samples that a scrape sees."""


class UnacceptableError(ValueError):
    """There is no format that the client takes."""


class PrometheusBackend(Collector):
    """Keeps every instrument's series and renders them; safe to render from another thread."""

    def __init__(self, instruments: Iterable[Instrument] = ALL) -> None:
        self.refused_series = 0
        self._children: dict[Instrument, dict[tuple[str, ...], Child]] = {}
        for instrument in instruments:
            self.declare(instrument)
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def declare(self, instrument: Instrument) -> None:
        """Make room for an instrument; one without labels begins
        at 0, but for a gauge, of which nothing is known yet.
        """
        if instrument in self._children:
            return
        self._children[instrument] = {}
        if not instrument.labels and instrument.kind is not Kind.GAUGE:
            self._child(instrument, ())

    def record(
        self, instrument: Instrument, value: float, labels: tuple[str, ...], trace: TraceIds | None
    ) -> None:
        """Record one value; `labels` in the instrument's order."""
        (self._children[instrument].get(labels) or self._child(instrument, labels)).add(value, trace)

    def record_many(
        self,
        instrument: Instrument,
        values: Sequence[float],
        labels: tuple[str, ...],
        trace: TraceIds | None = None,
    ) -> None:
        """Record several values of one series; the trace is an example of the largest."""
        child = self._children[instrument].get(labels) or self._child(instrument, labels)
        example = values.index(max(values)) if trace is not None and values else len(values)
        child.add_many(values[:example])
        for value in values[example : example + 1]:
            child.add(value, trace)
        child.add_many(values[example + 1 :])

    def forget(self, instrument: Instrument, labels: tuple[str, ...]) -> None:
        """Let go of a series: the next scrape does not have it."""
        self._children[instrument].pop(labels, None)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The body and content type of `/metrics` for an Accept
        header: OpenMetrics when asked for, else classic text.

        Raises:
            UnacceptableError: the header rules both out.
        """
        encode, content_type = choose_encoder(_chosen(accept))
        return encode(self.registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Every metric that has series, or could have; the registry asks for them."""
        for instrument, children in self._children.items():
            if children or instrument.labels:
                yield _metric(instrument, list(children.items()))

    def _child(self, instrument: Instrument, labels: tuple[str, ...]) -> Child:
        children = self._children[instrument]
        if len(children) >= MAX_CHILDREN:
            self.refused_series += 1
            return NOWHERE
        if len(labels) != len(instrument.labels):
            raise ValueError(f"{instrument.name} has the labels {instrument.labels}, not {labels}")
        children[labels] = _KINDS[instrument.kind](instrument)
        return children[labels]


def _chosen(accept: str) -> str:
    """The one format to answer with, as an Accept header that
    prometheus-client, which knows no q, understands.
    """
    openmetrics, text = quality(accept, OPENMETRICS), quality(accept, TEXT)
    if names(accept, OPENMETRICS) and (openmetrics or 0) >= (text or 0):
        return _range_of(accept, OPENMETRICS)
    if text != 0:
        return _range_of(accept, TEXT)
    if openmetrics:
        return OPENMETRICS
    raise UnacceptableError(f"Metrics are {OPENMETRICS} or {TEXT}, and Accept rules out both.")


def _range_of(accept: str, media_type: str) -> str:
    """The media type as it was asked for, with the version and
    escaping that prometheus-client may repeat: those that there are.
    """
    asked = [found for found in media_ranges(accept) if found.media_type == media_type and found.q > 0]
    parameters = max(asked, key=lambda found: found.q).parameters if asked else {}
    if parameters.get("version") != "1.0.0":
        return media_type
    return f"{media_type};version=1.0.0;escaping={parameters.get('escaping', 'underscores')}"


def _metric(instrument: Instrument, children: list[tuple[tuple[str, ...], Child]]) -> Metric:
    kind = Kind.GAUGE if instrument.kind is Kind.UP_DOWN else instrument.kind
    name = (
        instrument.prometheus_name.removesuffix("_total")
        if kind is Kind.COUNTER
        else instrument.prometheus_name
    )
    metric = Metric(name, instrument.help, kind.value)
    names = [label_name(label) for label in instrument.labels]
    for labels, child in children:
        shared = dict(zip(names, labels, strict=True))
        for end, own, value, exemplar in child.samples():
            metric.add_sample(name + end, shared | own, value, None, exemplar)
    return metric


class Histogram(Child):
    """Values by bucket, their sum, and the last example in each bucket."""

    __slots__ = ("_bounds", "_counts", "_examples", "_sum")

    def __init__(self, instrument: Instrument) -> None:
        self._bounds = instrument.buckets
        self._counts = [0] * (len(self._bounds) + 1)
        self._examples: list[tuple[TraceIds, float, float] | None] = [None] * len(self._counts)
        self._sum = 0.0

    def add(self, value: float, trace: TraceIds | None) -> None:
        at = bisect_left(self._bounds, value)
        self._counts[at] += 1
        self._sum += value
        if trace is not None:
            self._examples[at] = trace, value, time.time()

    def add_many(self, values: Sequence[float]) -> None:
        bounds, counts = self._bounds, self._counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self._sum += sum(values)

    def samples(self) -> Iterator[Sample]:
        counts = list(self._counts)
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for bound, count, example in zip(bounds, accumulate(counts), self._examples, strict=True):
            yield "_bucket", {"le": bound}, float(count), None if example is None else _exemplar(*example)
        yield "_count", {}, float(sum(counts)), None
        yield "_sum", {}, self._sum, None


class Count(Child):
    """A sum that never falls."""

    __slots__ = ("_total",)

    def __init__(self, _instrument: Instrument) -> None:
        self._total = 0.0

    def add(self, value: float, _trace: TraceIds | None) -> None:
        if value < 0:
            raise ValueError(f"a counter cannot fall by {-value}")
        self._total += value

    def samples(self) -> Iterator[Sample]:
        yield "_total", {}, self._total, None


class Level(Child):
    """A sum that goes up and down."""

    __slots__ = ("_value",)

    def __init__(self, _instrument: Instrument) -> None:
        self._value = 0.0

    def add(self, value: float, _trace: TraceIds | None) -> None:
        self._value += value

    def samples(self) -> Iterator[Sample]:
        yield "", {}, self._value, None


class Gauge(Level):
    """The last value."""

    __slots__ = ()

    def add(self, value: float, _trace: TraceIds | None) -> None:
        self._value = float(value)


class _Nowhere(Child):
    """The child of a refused series, which takes values and keeps none."""

    def add(self, value: float, trace: TraceIds | None) -> None: ...

    def samples(self) -> Iterator[Sample]:
        return iter(())


NOWHERE = _Nowhere()

_KINDS: dict[Kind, Callable[[Instrument], Child]] = {
    Kind.HISTOGRAM: Histogram,
    Kind.COUNTER: Count,
    Kind.UP_DOWN: Level,
    Kind.GAUGE: Gauge,
}


def _exemplar(trace: TraceIds, value: float, at_s: float) -> Exemplar:
    return Exemplar({"trace_id": trace.trace_id, "span_id": trace.span_id}, value, at_s)
