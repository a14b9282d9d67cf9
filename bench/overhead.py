"""What the gateway itself costs, and how much of that is telemetry: an engine that answers at once leaves
only the rest.

Two gateways run side by side, one with `telemetry.enabled` off; every part of a round goes to both, right
after each other and in changing order. "Own" is wall time minus the engine's phases, at the client from the
answer's `timings`, in the gateway from the `overhead_ms` of its rows. Processor time is the figure that a
busy machine distorts least.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.figures import Figure
from bench.load import LoadPlan, LoadResult, generate
from bench.server import Server

ROUNDS = 5
MAX_TOKENS = 16
SLOTS = 16
ALONE = "alone"
CROWD = "crowd"


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of load; `name` begins its request ids."""

    name: str
    stream: bool
    concurrency: int
    requests: int


PARTS = (
    Part(f"{ALONE}-whole", stream=False, concurrency=1, requests=200),
    Part(f"{ALONE}-stream", stream=True, concurrency=1, requests=200),
    Part(f"{CROWD}-whole", stream=False, concurrency=SLOTS, requests=600),
    Part(f"{CROWD}-stream", stream=True, concurrency=SLOTS, requests=600),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One part of a round on one gateway."""

    result: LoadResult
    processor_s: float

    @property
    def own_ms(self) -> float:
        """Median of wall time minus the engine's phases."""
        return self.result.median(lambda sample: sample.own_ms)

    @property
    def wall_ms(self) -> float:
        """Median wall time."""
        return self.result.median(lambda sample: sample.wall_ms)

    @property
    def requests_per_second(self) -> float:
        """Throughput."""
        return self.result.requests_per_second

    @property
    def processor_ms(self) -> float:
        """Processor time of the gateway per request."""
        return self.processor_s * 1e3 / len(self.result.samples)


Measured = dict[tuple[str, bool], list[Run]]
"""Runs by name of the part and telemetry on or off, a run per round."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure with telemetry on and off, by round."""

    on: list[float]
    off: list[float]

    @property
    def ratio(self) -> float:
        """Median over rounds of on ÷ off."""
        return statistics.median(
            with_it / without for with_it, without in zip(self.on, self.off, strict=True)
        )


@dataclass(frozen=True, slots=True)
class OverheadResult:
    """By part (`alone` is concurrency 1, `crowd` 16; `whole` or `stream`): medians of each round.
    `recorded_ms` is the gateway's own time by its own records.
    """

    own_ms: dict[str, Pair]
    wall_ms: dict[str, Pair]
    requests_per_second: dict[str, Pair]
    processor_ms: dict[str, Pair]
    recorded_ms: dict[str, float]

    @property
    def title(self) -> str:
        rounds = len(self.wall_ms[f"{ALONE}-stream"].on)
        return (
            f"overhead: the gateway alone, telemetry on and off (fake engine, {MAX_TOKENS} tokens per answer,"
            f" {rounds} rounds)"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        return ("telemetry on", "off", "on ÷ off")

    @property
    def figures(self) -> list[Figure]:
        return [
            *(_figure(f"own time, {part}", pair, "ms") for part, pair in self.own_ms.items()),
            *(
                Figure(f"own time by the gateway's records, {part}", (value, None, None), "ms")
                for part, value in self.recorded_ms.items()
            ),
            *(_figure(f"wall time, {part}", pair, "ms") for part, pair in self.wall_ms.items()),
            *(
                _figure(f"throughput, {part}", pair, "requests/s")
                for part, pair in self.requests_per_second.items()
            ),
            *(
                _figure(f"processor time per request, {part}", pair, "ms")
                for part, pair in self.processor_ms.items()
            ),
        ]

    @property
    def failure(self) -> str:
        return ""


def run() -> OverheadResult:
    """Alternate between a gateway with telemetry and one without."""
    measured: Measured = {(part.name, on): [] for part in PARTS for on in (True, False)}
    with _server(telemetry=True) as with_it, _server(telemetry=False) as without:
        for number in range(-1, ROUNDS):
            order = [(True, with_it), (False, without)]
            for part in PARTS:
                for on, server in order if number % 2 else reversed(order):
                    measured_run = _load(server, part, number)
                    if number >= 0:  # the round before the first warms up
                        measured[part.name, on].append(measured_run)
        with_it.stop()
        recorded_ms = _recorded(with_it)
    return _result(measured, recorded_ms)


def _server(*, telemetry: bool) -> Server:
    return Server(
        fake=True, flags=("--engine-slots", str(SLOTS), "--telemetry-enabled", str(telemetry).lower())
    )


def _load(server: Server, part: Part, number: int) -> Run:
    plan = LoadPlan(
        host=server.host,
        port=server.port,
        model=server.model,
        salt=f"{part.name}.{number}",
        requests=part.requests,
        concurrency=part.concurrency,
        max_tokens=MAX_TOKENS,
        stream=part.stream,
    )
    before_s = server.processor_s
    return Run(generate(plan), server.processor_s - before_s)


def _result(measured: Measured, recorded_ms: dict[str, float]) -> OverheadResult:
    alone = [part.name for part in PARTS if part.concurrency == 1]
    crowd = [part.name for part in PARTS if part.concurrency > 1]
    return OverheadResult(
        own_ms=_pairs(measured, alone, lambda run: run.own_ms),
        wall_ms=_pairs(measured, alone, lambda run: run.wall_ms),
        requests_per_second=_pairs(measured, crowd, lambda run: run.requests_per_second),
        processor_ms=_pairs(measured, alone + crowd, lambda run: run.processor_ms),
        recorded_ms=recorded_ms,
    )


def _pairs(measured: Measured, names: list[str], figure: Callable[[Run], float]) -> dict[str, Pair]:
    return {
        name: Pair(on=[*map(figure, measured[name, True])], off=[*map(figure, measured[name, False])])
        for name in names
    }


def _recorded(server: Server) -> dict[str, float]:
    """Median `overhead_ms` of the rows of each part at concurrency 1; the warm-up is left out."""
    sql = "SELECT overhead_ms FROM requests WHERE id LIKE ? AND id NOT LIKE ? AND overhead_ms IS NOT NULL"
    path = f"file:{server.home / 'firsttoken.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True)) as connection:
        rows = {
            name: connection.execute(sql, (f"{name}.%", f"{name}.-%")).fetchall()
            for name in (part.name for part in PARTS)
        }
    return {
        name: statistics.median(row[0] for row in found)
        for name, found in rows.items()
        if found and name.startswith(ALONE)
    }


def _figure(name: str, pair: Pair, unit: str) -> Figure:
    return Figure(name, (statistics.median(pair.on), statistics.median(pair.off), pair.ratio), unit)
