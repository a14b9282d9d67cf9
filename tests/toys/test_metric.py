"""A metric is one file (`tests.toys.metric`) and one line: it is on `/metrics`, and goes out over OTLP."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from telemetry import metrics
from telemetry.metrics import catalog
from telemetry.metrics.sources import GatewaySource
from tests.e2e.otlp_receiver import OtlpReceiver, attributes
from tests.e2e.serving import until
from tests.toys.conftest import ToyServed
from tests.toys.metric import HEIGHT, SPINS


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def exporting(collector: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyServed]:
    """A gateway of its own: exports would be in the figures that other tests look at."""
    env = {**collector.env, "OTEL_METRIC_EXPORT_INTERVAL": "500"}
    served = ToyServed(tmp_path_factory.mktemp("toy_metric"), env=env).start()
    yield served
    assert served.stop() == 0


def test_it_is_scraped(exporting: ToyServed) -> None:
    """With help and type, under the name of the translation; it is read anew at each scrape."""
    first, second = (_scraped(exporting) for _ in range(2))
    assert f"# HELP firsttoken_toy_spins_total {SPINS.help}" in first
    assert "# TYPE firsttoken_toy_spins_total counter" in first
    assert 'firsttoken_toy_height_m{colour="red"} 0.5' in first
    assert _value(second, "firsttoken_toy_spins_total") >= _value(first, "firsttoken_toy_spins_total") + 1
    assert 'firsttoken_telemetry_source_failures_total{source="toy"} 0.0' in first


def test_it_is_exported(exporting: ToyServed, collector: OtlpReceiver) -> None:
    """With its unit, its kind and its attributes."""
    assert _scraped(exporting)
    height, spins = _exported(collector, HEIGHT.name), _exported(collector, SPINS.name)
    [point] = height.gauge.data_points
    assert (height.unit, point.as_double, attributes(point)) == (HEIGHT.unit, 0.5, {"colour": "red"})
    assert (spins.unit, spins.sum.is_monotonic) == (SPINS.unit, True)
    assert spins.sum.data_points[0].as_int >= 1


def test_the_product_has_no_other_way() -> None:
    """Every source is in the catalog, and its instruments are among those that must be on a panel."""
    for module in pkgutil.iter_modules(metrics.__path__):
        importlib.import_module(f"{metrics.__name__}.{module.name}")
    kinds = {kind for kind in GatewaySource.__subclasses__() if kind.__module__.startswith(metrics.__name__)}
    assert kinds == set(catalog.SOURCES)
    brought = {instrument for source in catalog.SOURCES for instrument in source.instruments}
    assert brought <= set(catalog.ALL)
    assert len({instrument.name for instrument in catalog.ALL}) == len(catalog.ALL)


def _scraped(served: ToyServed) -> str:
    return httpx.get(f"{served.base_url}/metrics", timeout=10).text


def _value(page: str, name: str) -> float:
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))


def _exported(receiver: OtlpReceiver, name: str) -> Any:
    """The newest of a metric that has arrived, or arrives soon."""
    return until(
        lambda: next((one for one in reversed(receiver.metrics) if one.name == name), None), 20, name
    )
