"""What a bad OTLP collector does to serving: gateways that send to one that is dead, slow or refusing,
against one that sends to a good one, and one that sends nothing.

The engine is the fake one, paced so that the machine is not full: then throughput is the engine's, unless
telemetry holds requests up. The gateways of a protocol run side by side; every round goes to each of them, in
changing order.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack

from bench.comparison import Comparison, Row
from bench.load import LoadPlan, generate
from bench.server import Server
from tests.e2e.otlp_receiver import BAD, GRPC, HTTP, collector

NAME = "collector"
ABOUT = "a dead, slow or refusing OTLP collector against a good one and none (fake engine)"
ROUNDS = 5
REQUESTS = 40
SLOTS = 4
MAX_TOKENS = 32
BOUND = 0.02
PACE = {"FAKE_PREFILL_MS": "50", "FAKE_STEP_MS": "10"}
NONE, GOOD = "none", "good"

Found = dict[str, dict[str, list[float]]]
"""Kind of collector → figure → its value by round."""


def run() -> Comparison:
    """Both protocols, one after the other."""
    rows = [row for protocol in (HTTP, GRPC) for row in _rows(protocol, _measured(protocol))]
    return Comparison(NAME, ABOUT, rows, sides=("bad", "other"))


def _rows(protocol: str, found: Found) -> list[Row]:
    rows = []
    for kind, other in [(GOOD, NONE), *((kind, other) for other in (GOOD, NONE) for kind in BAD)]:
        name = f"{kind} against {other}, {protocol}"
        bound = BOUND if kind in BAD else None
        least, most = (None, None) if bound is None else (1 - bound, 1 + bound)
        rows.append(
            Row(
                f"throughput, {name}",
                "requests/s",
                found[kind]["throughput"],
                found[other]["throughput"],
                least=least,
            )
        )
        rows.append(Row(f"TTFT p50, {name}", "ms", found[kind]["ttft"], found[other]["ttft"], most=most))
    return rows


def _measured(protocol: str) -> Found:
    found: Found = {kind: {"throughput": [], "ttft": []} for kind in (NONE, GOOD, *BAD)}
    with ExitStack() as stack:
        servers = {NONE: stack.enter_context(_server({}))}
        for kind in (GOOD, *BAD):
            servers[kind] = stack.enter_context(_server(stack.enter_context(collector(kind, protocol))))
        order = list(servers)
        for number in range(-1, ROUNDS):
            print(f"  round {number + 1} of {ROUNDS}: {protocol}", file=sys.stderr, flush=True)
            order = [*order[1:], order[0]]
            for kind in order if number % 2 else reversed(order):
                result = generate(_plan(servers[kind], f"round-{number}"))
                if number >= 0:  # the round before the first warms up
                    found[kind]["throughput"].append(result.requests_per_second)
                    found[kind]["ttft"].append(result.median(lambda sample: sample.timings.ttft_ms))
    return found


def _server(env: dict[str, str]) -> Server:
    return Server(fake=True, flags=("--engine-slots", str(SLOTS)), env=PACE | env)


def _plan(server: Server, salt: str) -> LoadPlan:
    return LoadPlan(
        host=server.host,
        port=server.port,
        model=server.model,
        salt=salt,
        requests=REQUESTS,
        concurrency=SLOTS,
        max_tokens=MAX_TOKENS,
    )
