"""What a bad collector does to serving: a gateway whose telemetry goes to one that is dead, slow or refusing, against a gateway
without any.

The engine is the fake one, paced like a small model, so that what differs is the gateway. For each kind of collector
and protocol two gateways run side by side; every round goes to both, right after each other and in changing order.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import Figure
from bench.load import LoadPlan, LoadResult, generate
from bench.server import Server, free_port
from tests.e2e.otlp_receiver import GRPC, HTTP, OtlpReceiver

ROUNDS = 6
REQUESTS = 160
SLOTS = 8
MAX_TOKENS = 32
SLOW_S = 10.0
BOUND = 0.02
PACE = {"FAKE_PREFILL_MS": "20", "FAKE_STEP_MS": "5"}
KINDS = ("dead", "slow", "refusing")


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure by round: without a collector, and with a bad one."""

    without: list[float]
    with_it: list[float]

    @property
    def ratio(self) -> float:
        """Median over rounds of with ÷ without."""
        return statistics.median(bad / none for bad, none in zip(self.with_it, self.without, strict=True))

    def figure(self, name: str, unit: str) -> Figure:
        """As a line of the report."""
        return Figure(name, (statistics.median(self.without), statistics.median(self.with_it), self.ratio), unit)


@dataclass(frozen=True, slots=True)
class CollectorResult:
    """By kind of collector and protocol: throughput, and the median time to first token of each round."""

    requests_per_second: dict[str, Pair]
    ttft_ms: dict[str, Pair]

    @property
    def title(self) -> str:
        return f"collector: one that is bad against none (fake engine, {MAX_TOKENS} tokens per answer, {SLOTS} at once, {ROUNDS} rounds)"

    @property
    def columns(self) -> tuple[str, ...]:
        return ("none", "bad", "bad ÷ none")

    @property
    def figures(self) -> list[Figure]:
        return [
            *(pair.figure(f"throughput, {name}", "requests/s") for name, pair in self.requests_per_second.items()),
            *(pair.figure(f"TTFT p50, {name}", "ms") for name, pair in self.ttft_ms.items()),
        ]

    @property
    def failure(self) -> str:
        """Slower by more than the bound; being faster is noise."""
        slower = [name for name, pair in self.requests_per_second.items() if pair.ratio < 1 - BOUND]
        later = [name for name, pair in self.ttft_ms.items() if pair.ratio > 1 + BOUND]
        lines = [f"throughput fell by more than {BOUND:.0%} ({name})" for name in slower]
        return "; ".join([*lines, *(f"TTFT grew by more than {BOUND:.0%} ({name})" for name in later)])


def run() -> CollectorResult:
    """Every kind of bad collector over both protocols, one after another."""
    rates: dict[str, Pair] = {}
    ttfts: dict[str, Pair] = {}
    for protocol in (HTTP, GRPC):
        for kind in KINDS:
            name = f"{kind}, {protocol}"
            rates[name], ttfts[name] = _compared(kind, protocol)
    return CollectorResult(rates, ttfts)


def _compared(kind: str, protocol: str) -> tuple[Pair, Pair]:
    """Throughput and time to first token, without and with."""
    results: dict[bool, list[LoadResult]] = {False: [], True: []}
    with _collector(kind, protocol) as env, _server({}) as without, _server(env) as with_it:
        for number in range(-1, ROUNDS):
            order = [(False, without), (True, with_it)]
            for bad, server in order if number % 2 else reversed(order):
                measured = _load(server, f"{kind}.{number}")
                if number >= 0:  # the round before the first warms up
                    results[bad].append(measured)
    rates = Pair(*([result.requests_per_second for result in results[bad]] for bad in (False, True)))
    ttfts = Pair(*([result.median(lambda sample: sample.timings.ttft_ms) for result in results[bad]] for bad in (False, True)))
    return rates, ttfts


@contextlib.contextmanager
def _collector(kind: str, protocol: str) -> Iterator[dict[str, str]]:
    """The variables that send telemetry to a collector of this kind; a dead one is a port that nobody listens on."""
    if kind == "dead":
        yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        return
    with OtlpReceiver(protocol, delay_s=SLOW_S if kind == "slow" else 0.0, refuses=kind == "refusing") as receiver:
        yield receiver.env


def _server(env: dict[str, str]) -> Server:
    return Server(fake=True, flags=("--engine-slots", str(SLOTS)), env=PACE | env)


def _load(server: Server, salt: str) -> LoadResult:
    plan = LoadPlan(
        host=server.host, port=server.port, model=server.model, salt=salt, requests=REQUESTS, concurrency=SLOTS, max_tokens=MAX_TOKENS
    )
    return generate(plan)
