"""One stream alone on the real model: how soon it begins and how fast it goes."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bench.figures import Figure
from bench.load import LoadPlan, generate
from bench.server import Server

CHATS = 15


@dataclass(frozen=True, slots=True)
class SingleResult:
    """Medians over all chats. `ttft_ms` is the gateway's figure (first byte of the request read → first token
    sampled), `ttfb_ms` the client's (request written → first byte read); `decode_tps` leaves the first token
    out.
    """

    chats: int
    prompt_tokens: float
    ttft_ms: float
    ttfb_ms: float
    decode_tps: float

    @property
    def title(self) -> str:
        return (
            f"single: one stream alone (real model, {self.chats} chats, {self.prompt_tokens:g} prompt tokens)"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        return ("p50",)

    @property
    def figures(self) -> list[Figure]:
        return [
            Figure("time to first token, in the gateway", (self.ttft_ms,), "ms"),
            Figure("time to first byte, at the client", (self.ttfb_ms,), "ms"),
            Figure("decode", (self.decode_tps,), "tokens/s"),
        ]

    @property
    def failure(self) -> str:
        return ""


def run() -> SingleResult:
    """One chat after another, after two that warm up."""
    with Server(fake=False) as server:
        plan = LoadPlan(
            host=server.host, port=server.port, model=server.model, salt="single", requests=CHATS + 2
        )
        samples = generate(plan).samples[2:]
    speeds = [
        sample.timings.predicted_per_second
        for sample in samples
        if sample.timings.predicted_per_second is not None
    ]
    return SingleResult(
        chats=len(samples),
        prompt_tokens=statistics.median(sample.timings.prompt_n for sample in samples),
        ttft_ms=statistics.median(sample.timings.ttft_ms for sample in samples),
        ttfb_ms=statistics.median(sample.first_byte_ms for sample in samples),
        decode_tps=statistics.median(speeds),
    )
