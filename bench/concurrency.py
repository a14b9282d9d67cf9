"""Eight chats at once against the same number one after another, on the real model."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bench.figures import Figure
from bench.load import LoadPlan, LoadResult, generate
from bench.server import Server

CHATS = 8
ROUNDS = 5
MIN_RATIO = 1.3
"""Batching must give at least this many times the tokens per second of a queue."""


@dataclass(frozen=True, slots=True)
class ConcurrencyResult:
    """Output tokens per second of each round, and the time to the first byte at once (median of all
    chats).
    """

    serial_tps: list[float]
    concurrent_tps: list[float]
    concurrent_ttfb_ms: float

    @property
    def ratio(self) -> float:
        """Median over rounds of concurrent ÷ serial; each round's two parts ran right after each other."""
        return statistics.median(
            at_once / alone for at_once, alone in zip(self.concurrent_tps, self.serial_tps, strict=True)
        )

    @property
    def title(self) -> str:
        return (
            f"concurrency: {CHATS} chats, at once against one after another (real model,"
            f" {len(self.serial_tps)} rounds)"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        return ("one by one", "at once", "ratio")

    @property
    def figures(self) -> list[Figure]:
        speeds = (statistics.median(self.serial_tps), statistics.median(self.concurrent_tps), self.ratio)
        return [
            Figure("output tokens per second", speeds, "tokens/s"),
            Figure("time to first byte, p50", (None, self.concurrent_ttfb_ms, None), "ms"),
        ]

    @property
    def failure(self) -> str:
        if self.ratio > MIN_RATIO:
            return ""
        return (
            f"concurrency: {self.ratio:.2f} times the tokens per second of a queue; it must be more than"
            f" {MIN_RATIO}"
        )


def run() -> ConcurrencyResult:
    """Alternate, one warm-up round first; the order within a round changes every time."""
    serial: list[LoadResult] = []
    concurrent: list[LoadResult] = []
    with Server(fake=False) as server:
        _chats(server, "warm-up", CHATS)
        for number in range(ROUNDS):
            parts = [(1, serial), (CHATS, concurrent)]
            for at_once, results in parts if number % 2 else reversed(parts):
                results.append(_chats(server, f"round {number} of {at_once}", at_once))
    waits_ms = [sample.first_byte_ms for result in concurrent for sample in result.samples]
    return ConcurrencyResult(
        [result.tokens_per_second for result in serial],
        [result.tokens_per_second for result in concurrent],
        statistics.median(waits_ms),
    )


def _chats(server: Server, salt: str, concurrency: int) -> LoadResult:
    salt = salt.replace(" ", "-")
    return generate(
        LoadPlan(
            host=server.host,
            port=server.port,
            model=server.model,
            salt=salt,
            requests=CHATS,
            concurrency=concurrency,
        )
    )
