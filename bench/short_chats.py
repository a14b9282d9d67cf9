"""Eight short chats at once, ours and the peer's."""

from __future__ import annotations

from bench.chats import Chat, hold
from bench.comparison import Comparison, Row, both, missing_peer, rounds
from bench.prompts import question
from bench.server import Server

NAME = "short-chats"
ABOUT = "8 short chats at once"
USERS = 8


def run() -> Comparison:
    """Throughput of all, and how long each waits."""
    if absent := missing_peer(NAME, ABOUT):
        return absent
    with both(slots=USERS) as servers:
        found = rounds(servers, 5, _measure)
    rows = [
        Row("output of all", "tokens/s", *found["output"], least=0.97),
        Row("TTFT p50", "ms", *found["ttft"], most=0.9),
    ]
    return Comparison(NAME, ABOUT, rows)


def _measure(server: Server, salt: str) -> dict[str, float]:
    chats = [Chat(questions=[question(f"{salt} {number}")], max_tokens=64) for number in range(USERS)]
    held = hold(server, salt, chats, workers=USERS)
    return {"output": held.tokens_per_second, "ttft": held.percentile(0.5, lambda turn: turn.ttft_ms)}
