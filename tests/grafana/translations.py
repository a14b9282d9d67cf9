"""Every instrument as both paths bring it to Prometheus: scraped from `/metrics`, and over OTLP as Prometheus
3 translates it.

The translation is written here from Prometheus' own (`otlptranslator`: underscores with suffixes, which
grafana/otel-lgtm keeps as well), and not taken from the product, which follows the specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import ExponentialHistogram, InMemoryMetricReader, Metric, Sum
from opentelemetry.sdk.metrics.export import Histogram as Buckets
from opentelemetry.sdk.metrics.view import (
    Aggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
)

from telemetry.metrics.catalog import ALL
from telemetry.metrics.otel import OtelBackend
from telemetry.metrics.prometheus import PrometheusBackend

UNITS = {"s": "seconds", "By": "bytes", "J": "joules", "1": ""}
PER = {"s": "second"}
HISTOGRAM_PARTS = ("bucket", "count", "sum")


@dataclass(frozen=True, slots=True)
class Series:
    """What PromQL sees: the kind of a part of a histogram is `histogram`, of a native one `native`."""

    name: str
    kind: str
    labels: frozenset[str]


def scraped() -> dict[str, Series]:
    """Name → series, with one value of every instrument."""
    backend = PrometheusBackend()
    for instrument in ALL:
        backend.record(instrument, 1, tuple("200" for _ in instrument.labels), None)
    found: dict[str, Series] = {}
    for family in backend.collect():
        for sample in family.samples:
            found[sample.name] = Series(sample.name, family.type, frozenset(sample.labels) - {"le"})
    return found


def over_otlp(*, exponential: bool = False) -> dict[str, Series]:
    """Name → series, with one value of every instrument."""
    aggregation: Aggregation = (
        ExponentialBucketHistogramAggregation() if exponential else ExplicitBucketHistogramAggregation()
    )
    reader = InMemoryMetricReader(preferred_aggregation={Histogram: aggregation})
    provider = MeterProvider([reader])
    backend = OtelBackend(provider)
    for instrument in ALL:
        backend.record(instrument, 1, tuple("200" for _ in instrument.labels), None)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    metrics = [
        metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    return {series.name: series for metric in metrics for series in _translated(metric)}


def _translated(metric: Metric) -> Iterator[Series]:
    labels = frozenset(
        re.sub(r"[^a-zA-Z0-9_]", "_", key)
        for point in metric.data.data_points
        for key in point.attributes or {}
    )
    counter = isinstance(metric.data, Sum) and metric.data.is_monotonic
    gauge = not counter and not isinstance(metric.data, Buckets | ExponentialHistogram)
    name = _named(
        metric.name, metric.unit or "", counter=counter, ratio=gauge and not isinstance(metric.data, Sum)
    )
    if isinstance(metric.data, Buckets):
        yield from (Series(f"{name}_{part}", "histogram", labels) for part in HISTOGRAM_PARTS)
    else:
        yield Series(
            name,
            "native" if isinstance(metric.data, ExponentialHistogram) else "counter" if counter else "gauge",
            labels,
        )


def _named(name: str, unit: str, *, counter: bool, ratio: bool) -> str:
    """Words joined by underscores; the unit's words where they are not among them; `total` and `ratio` at
    the end.
    """
    words = [word for word in re.split(r"[^a-zA-Z0-9]+", name) if word]
    main, _, per = re.sub(r"\{[^}]*\}", "", unit).partition("/")
    for word in (UNITS.get(main, main), f"per_{PER.get(per, per)}" if per else ""):
        if word and word not in words:
            words.append(word)
    if counter:
        words = [word for word in words if word != "total"] + ["total"]
    if ratio and unit == "1":
        words = [word for word in words if word != "ratio"] + ["ratio"]
    return "_".join(words)
