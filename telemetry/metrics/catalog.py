"""The catalog of metrics: every source of the gateway, and
every instrument of it. A source is registered here, by a line.
"""

from __future__ import annotations

from telemetry.metrics import instruments, instruments_gateway, instruments_genai
from telemetry.metrics.instrument import Instrument
from telemetry.metrics.sources import (
    BuildSource,
    DiskSource,
    EnergySource,
    ExportSource,
    GatewaySource,
    Parts,
    ProcessSource,
    StoreSource,
)

SOURCES: tuple[type[GatewaySource], ...] = (
    StoreSource,
    ExportSource,
    EnergySource,
    ProcessSource,
    BuildSource,
    DiskSource,
)
"""Every source that a gateway has; their instruments are among `ALL`."""


def sources_of(parts: Parts) -> list[GatewaySource]:
    """The sources of a gateway with these parts."""
    return [source for kind in SOURCES if (source := kind.of(parts)) is not None]


def _every_instrument() -> tuple[Instrument, ...]:
    found = [*instruments_genai.ALL, *instruments.ALL, *instruments_gateway.ALL]
    for source in SOURCES:
        found += source.instruments
    return tuple(dict.fromkeys(found))


ALL = _every_instrument()
"""Every instrument, in order of declaration; each is on a panel (a test asks for that)."""

BY_NAME: dict[str, Instrument] = {instrument.name: instrument for instrument in ALL}
