"""What telemetry takes from serving: gateways with everything on (rows, Prometheus, OTLP to a good
collector), with the defaults (no OTLP) and with nothing, side by side.

Once with the real model, once with the fake engine paced like a model on this machine: beside an engine that
costs nothing (`overhead`) no share of the time can be small. The bound is on processor time, since throughput
of so few rounds scatters by more than telemetry takes: what the gateway uses more with telemetry, against
what gateway and engine process use together without. (The engine process stamps and counts in any case.)
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.comparison import Comparison, Row, ours
from bench.load import LoadPlan, generate
from bench.server import Server
from tests.e2e.otlp_receiver import GRPC, collector

NAME = "telemetry-cost"
ABOUT = "telemetry on against off, real model and paced fake engine"
ROUNDS = 7
SLOTS = 4
MAX_TOKENS = 64
BOUND = 0.02
PACE = {"FAKE_PREFILL_MS": "50", "FAKE_STEP_MS": "10"}
EVERYTHING, DEFAULTS, OFF = "everything", "defaults", "off"


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load on one kind of engine."""

    name: str
    fake: bool
    concurrency: int
    requests: int


LOADS = (
    Load("real model, one by one", fake=False, concurrency=1, requests=6),
    Load("real model, 4 at once", fake=False, concurrency=SLOTS, requests=12),
    Load("fake engine, one by one", fake=True, concurrency=1, requests=10),
    Load("fake engine, 4 at once", fake=True, concurrency=SLOTS, requests=40),
)


@dataclass(frozen=True, slots=True)
class Rounds:
    """Of each round: throughput (requests/s), TTFT p50 (ms), and processor time per request (ms) of
    gateway and engine.
    """

    rate: list[float] = field(default_factory=list)
    ttft_ms: list[float] = field(default_factory=list)
    gateway_ms: list[float] = field(default_factory=list)
    engine_ms: list[float] = field(default_factory=list)


Found = dict[tuple[Load, str], Rounds]
"""By load and kind of gateway."""


def run() -> Comparison:
    """All loads with the real model, then all with the fake engine."""
    found: Found = {}
    for fake in (False, True):
        _measure([load for load in LOADS if load.fake is fake], found, fake=fake)
    return Comparison(NAME, ABOUT, [row for load in LOADS for row in _rows(load, found)], sides=("on", "off"))


def _rows(load: Load, found: Found) -> list[Row]:
    off, rows = found[load, OFF], []
    most = None if load.fake else 1 + BOUND
    for kind in (EVERYTHING, DEFAULTS):
        on = found[load, kind]
        rows.append(
            Row(f"gateway's processor time, {load.name}, {kind}", "ms", on.gateway_ms, off.gateway_ms)
        )
        without = [gateway + engine for gateway, engine in zip(off.gateway_ms, off.engine_ms, strict=True)]
        added = [more - less for more, less in zip(on.gateway_ms, off.gateway_ms, strict=True)]
        with_telemetry = [all_of_it + more for all_of_it, more in zip(without, added, strict=True)]
        rows.append(
            Row(f"processor time per request, {load.name}, {kind}", "ms", with_telemetry, without, most=most)
        )
        rows.append(Row(f"throughput, {load.name}, {kind}", "requests/s", on.rate, off.rate))
        rows.append(Row(f"TTFT p50, {load.name}, {kind}", "ms", on.ttft_ms, off.ttft_ms))
    return rows


def _measure(loads: list[Load], found: Found, *, fake: bool) -> None:
    with ExitStack() as stack:
        env = stack.enter_context(collector("good", GRPC))
        servers = {
            EVERYTHING: stack.enter_context(_server(env, fake=fake)),
            DEFAULTS: stack.enter_context(_server({}, fake=fake)),
            OFF: stack.enter_context(_server({}, "--telemetry-enabled", "false", fake=fake)),
        }
        order = list(servers)
        for number in range(-1, ROUNDS):
            print(
                f"  round {number + 1} of {ROUNDS}: {'fake engine' if fake else 'real model'}",
                file=sys.stderr,
                flush=True,
            )
            order = [*order[1:], order[0]]
            for load in loads:
                for kind in order if number % 2 else reversed(order):
                    into = Rounds() if number < 0 else found.setdefault((load, kind), Rounds())
                    _round(servers[kind], load, number, into)  # the round before the first warms up


def _round(server: Server, load: Load, number: int, into: Rounds) -> None:
    gateway_s, engine_s = server.processor_s, server.engine_processor_s
    result = generate(_plan(server, load, number))
    into.gateway_ms.append((server.processor_s - gateway_s) * 1e3 / load.requests)
    into.engine_ms.append((server.engine_processor_s - engine_s) * 1e3 / load.requests)
    into.rate.append(result.requests_per_second)
    into.ttft_ms.append(result.median(lambda sample: sample.timings.ttft_ms))


def _server(env: dict[str, str], *flags: str, fake: bool) -> Server:
    if fake:
        return Server(fake=True, flags=("--engine-slots", str(SLOTS), *flags), env=PACE | env)
    return ours(SLOTS, *flags, env=env)


def _plan(server: Server, load: Load, number: int) -> LoadPlan:
    return LoadPlan(
        host=server.host, port=server.port, model=server.model,
        salt=f"{load.name} {number}".replace(" ", "-").replace(",", ""),
        requests=load.requests, concurrency=load.concurrency, max_tokens=MAX_TOKENS,
    )  # fmt: skip
