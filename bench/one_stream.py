"""One stream alone, ours and the peer's."""

from __future__ import annotations

from bench.chats import Chat, hold
from bench.comparison import Comparison, Row, both, missing_peer, rounds
from bench.prompts import question
from bench.server import Server

NAME = "one-stream"
ABOUT = "one chat at a time"
CHATS = 6


def run() -> Comparison:
    """Time to first token and decode."""
    if absent := missing_peer(NAME, ABOUT):
        return absent
    with both(slots=8) as servers:
        found = rounds(servers, 5, _measure)
    rows = [
        Row("decode", "tokens/s", *found["decode"], least=0.97),
        Row("TTFT p50", "ms", *found["ttft"], most=1.0),
    ]
    return Comparison(NAME, ABOUT, rows)


def _measure(server: Server, salt: str) -> dict[str, float]:
    chats = [Chat(questions=[question(f"{salt} {number}")], max_tokens=64) for number in range(CHATS)]
    held = hold(server, salt, chats)
    return {
        "decode": held.percentile(0.5, lambda turn: turn.decode_tps),
        "ttft": held.percentile(0.5, lambda turn: turn.ttft_ms),
    }
