"""One metric's declaration, and its name on `/metrics`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kind of an OpenTelemetry instrument: it sums values,
    distributes them, keeps the last, or moves up and down.
    """

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"
    UP_DOWN = "up_down"


@dataclass(frozen=True, slots=True, eq=False)
class Instrument:
    """One metric. `unit` is UCUM; `labels` are attribute names, values are always given in that order.

    Instances compare by identity: they are keys of the backends' tables.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The name on `/metrics`, counters with `_total` (see `prometheus_name`)."""
        return prometheus_name(self.name, self.unit, self.kind)


def histogram(
    name: str, unit: str, help_: str, labels: tuple[str, ...], buckets: tuple[float, ...]
) -> Instrument:
    """A distribution."""
    return Instrument(name, Kind.HISTOGRAM, unit, help_, labels, buckets)


def counter(name: str, unit: str, help_: str, labels: tuple[str, ...] = ()) -> Instrument:
    """A sum that never falls."""
    return Instrument(name, Kind.COUNTER, unit, help_, labels)


def gauge(name: str, unit: str, help_: str, labels: tuple[str, ...] = ()) -> Instrument:
    """A last value."""
    return Instrument(name, Kind.GAUGE, unit, help_, labels)


_UNITS = {"s": "seconds", "By": "bytes", "J": "joules", "1": "ratio"}


def prometheus_name(name: str, unit: str, kind: Kind) -> str:
    """The name that the OTLP → Prometheus translation gives.

    Source: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
    : dots become underscores, `{annotations}` are dropped, units are spelled out, `x/s` is
    `x_per_second`, counters end in `_total`.
    """
    result = label_name(name)
    suffix = _unit_suffix(unit, kind)
    if suffix and not result.endswith(f"_{suffix}"):
        result = f"{result}_{suffix}"
    return f"{result}_total" if kind is Kind.COUNTER and not result.endswith("_total") else result


def _unit_suffix(unit: str, kind: Kind) -> str:
    """`s` → `seconds`, `{token}` → nothing, `{token}/s` → `per_second`; only a gauge of unit 1 is a ratio."""
    if unit == "1" and kind is not Kind.GAUGE:
        return ""
    main, _, per = unit.partition("/")
    spelled = "" if main.startswith("{") else _UNITS.get(main, main)
    return "_".join(
        part for part in (spelled, f"per_{_UNITS.get(per, per).removesuffix('s')}" if per else "") if part
    )


def label_name(attribute: str) -> str:
    """An attribute's name as a Prometheus label."""
    return attribute.replace(".", "_")
