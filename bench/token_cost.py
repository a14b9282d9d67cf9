"""What a token costs outside of decode: processor time of the gateway and of the engine process, per token of
whole and of streamed answers, and per request of a crowd.

The engine is the fake one, paced like a small model, so that its process computes nothing and each step wakes
both up. Processor time is what a busy machine distorts least; what a request costs besides its tokens is in
it.
"""

from __future__ import annotations

from bench.comparison import Comparison, Row
from bench.load import LoadPlan, generate
from bench.server import Server

NAME = "token-cost"
ABOUT = "processor time per token, whole and streamed, of gateway and engine process (fake engine, 64 tokens)"
ROUNDS = 3
MAX_TOKENS = 64
PACE = {"FAKE_PREFILL_MS": "50", "FAKE_STEP_MS": "7.5"}
BOUND_MS = {False: 0.05, True: 0.2}
"""Of the gateway, per token, by streamed or not."""

CROWD, CROWD_TOKENS, CROWD_BOUND_MS = 16, 16, 1.0
WHOLE = {False: "whole", True: "streamed"}

Found = dict[str, list[float]]


def run() -> Comparison:
    """One chat at a time on a paced engine, then a crowd on one that answers at once."""
    found: Found = {}
    with Server(fake=True, flags=("--engine-slots", "4"), env=PACE) as server:
        _rounds(server, found, "per token", requests=8, concurrency=1, tokens=MAX_TOKENS)
    with Server(fake=True, flags=("--engine-slots", str(CROWD))) as server:
        _rounds(server, found, "per request in a crowd", requests=300, concurrency=CROWD, tokens=CROWD_TOKENS)
    return Comparison(
        NAME,
        ABOUT,
        [Row(name, "ms", values, most=_bound(name)) for name, values in found.items()],
        sides=("ms", ""),
    )


def _rounds(server: Server, found: Found, unit: str, *, requests: int, concurrency: int, tokens: int) -> None:
    for number in range(-1, ROUNDS):
        for stream, word in WHOLE.items():
            plan = LoadPlan(
                host=server.host, port=server.port, model=server.model, salt=f"{word}-{number}",
                requests=requests, concurrency=concurrency, max_tokens=tokens, stream=stream,
            )  # fmt: skip
            before = server.processor_s, server.engine_processor_s
            generate(plan)
            spent = server.processor_s - before[0], server.engine_processor_s - before[1]
            for process, seconds in zip(("gateway", "engine process"), spent, strict=True):
                if number >= 0:  # the round before the first warms up
                    parts = requests * tokens if concurrency == 1 else requests
                    found.setdefault(f"{process}, {word}, {unit}", []).append(seconds * 1e3 / parts)


def _bound(name: str) -> float | None:
    process, word, unit = name.split(", ")
    if process != "gateway":
        return None
    return BOUND_MS[word == WHOLE[True]] if unit == "per token" else CROWD_BOUND_MS
