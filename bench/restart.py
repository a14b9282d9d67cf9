"""A long chat that goes on after the server was stopped and started again with the same home."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.chats import Chat, Said, hold
from bench.comparison import Comparison, Row, ours
from bench.prompts import question, words

NAME = "restart"
TOKENS = 1000
ABOUT = f"a chat of {TOKENS} tokens continued after a restart"
ROUNDS = 3
DISK_BYTES = 2 * 2**30


def run() -> Comparison:
    """The same prompt length once from the disk tier and once cold, on the same server."""
    pairs = [_measure(f"round-{number}") for number in range(ROUNDS)]
    after, cold, cached = zip(*pairs, strict=True)
    rows = [Row("TTFT", "ms", [*after], [*cold], most=0.25), Row("tokens from the cache", "", [*cached])]
    return Comparison(NAME, ABOUT, rows, sides=("continued", "cold"))


def _measure(salt: str) -> tuple[float, float, float]:
    """TTFT continued and cold, and cached tokens of the continued turn."""
    follow_up = question(salt)
    first = Said("user", words(TOKENS, salt))
    with tempfile.TemporaryDirectory(prefix="firsttoken-bench-") as folder:
        flags = ("--engine-cache-disk-bytes", str(DISK_BYTES))
        with ours(2, *flags, home=Path(folder)) as server:
            answer = hold(server, "before", [Chat(questions=[first.content], max_tokens=16)]).turns[0].text
        with ours(2, *flags, home=Path(folder)) as server:
            hold(server, "warm-up", [Chat(questions=[question(f"warm {salt}")])])
            cold_history = [Said("user", words(TOKENS, f"cold {salt}")), Said("assistant", answer)]
            known = [first, Said("assistant", answer)]
            turns = [
                hold(server, name, [Chat(history=history, questions=[follow_up], max_tokens=8)]).turns[0]
                for name, history in (("after", known), ("cold", cold_history))
            ]
    return turns[0].ttft_ms, turns[1].ttft_ms, turns[0].cached_tokens
