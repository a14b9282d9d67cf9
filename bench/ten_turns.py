"""A chat of ten turns: what a longer history costs, ours, the peer's and bare `llama_decode`."""

from __future__ import annotations

import statistics

from bench import bare
from bench.chats import Chat, hold
from bench.comparison import Comparison, Row, both, missing_peer, rounds
from bench.prompts import question
from bench.server import Server

NAME = "ten-turns"
ABOUT = "one chat of ten turns"
EARLY, LATE = 2, 10
ROUNDS = 4


def run() -> Comparison:
    """Depths for the bare engine are those that our chat had when its turns began to decode."""
    if absent := missing_peer(NAME, ABOUT):
        return absent
    with both(slots=4) as servers:
        found = rounds(servers, ROUNDS, _measure)
    early, late = (int(statistics.median(found[name][0])) for name in ("early depth", "late depth"))
    alone = bare.speeds(early, late)
    growth, kept = found["growth"], found["kept"]
    rows = [
        Row(f"our TTFT, turn {LATE} ÷ turn {EARLY}", "", growth[0]),
        Row(f"the peer's TTFT, turn {LATE} ÷ turn {EARLY}", "", growth[1]),
        Row("our cached tokens of those that could be", "%", found["cached"][0], least=99.0),
        Row("the peer's", "%", found["cached"][1]),
        Row(
            f"our decode, turn {LATE} ÷ turn {EARLY}; right: bare llama_decode at {late} and {early} tokens",
            "",
            kept[0],
            [alone.late_tps / alone.early_tps] * ROUNDS,
            least=0.97,
        ),
        Row(f"TTFT, turn {LATE}", "ms", *found["late"], most=0.85),
    ]
    return Comparison(NAME, ABOUT, rows)


def _measure(server: Server, salt: str) -> dict[str, float]:
    held = hold(
        server, salt, [Chat(questions=[question(f"{salt} {turn}") for turn in range(LATE)], max_tokens=48)]
    )
    turns = held.of(0)
    early, late = turns[EARLY - 1], turns[LATE - 1]
    return {
        "growth": late.ttft_ms / early.ttft_ms,
        "kept": late.decode_tps / early.decode_tps,
        "late": late.ttft_ms,
        "cached": 100 * held.cached_share,
        "early depth": early.prompt_tokens,
        "late depth": late.prompt_tokens,
    }
