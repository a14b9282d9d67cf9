"""A toy metric: its instruments and the source that reads them, but for the line of registration."""

from __future__ import annotations

from typing import Self

from telemetry.metrics.instrument import counter, gauge
from telemetry.metrics.outlets import Outlets
from telemetry.metrics.sources import GatewaySource, Parts

SPINS = counter("firsttoken.toy.spins", "{spin}", "How often the toy was wound up.")
HEIGHT = gauge("firsttoken.toy.height", "m", "How high the toy jumps.", ("colour",))


class ToySource(GatewaySource):
    """A toy that is wound up whenever it is looked at."""

    name = "toy"
    instruments = (SPINS, HEIGHT)

    @classmethod
    def of(cls, _parts: Parts) -> Self:
        return cls()

    def collect(self, out: Outlets) -> None:
        out.record(SPINS, 1)
        out.record(HEIGHT, 0.5, "red")
