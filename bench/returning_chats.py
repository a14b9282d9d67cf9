"""Sixteen chats that come back in random order to four slots."""

from __future__ import annotations

import random

from bench.chats import Chat, hold
from bench.comparison import Comparison, Row, both, missing_peer, rounds
from bench.prompts import question
from bench.server import Server

NAME = "returning-chats"
CHATS, SLOTS, TURNS = 16, 4, 4
ABOUT = f"{CHATS} chats of {TURNS} turns on {SLOTS} slots in random order"


def run() -> Comparison:
    """More chats than slots: histories must survive outside of the slots."""
    if absent := missing_peer(NAME, ABOUT):
        return absent
    with both(slots=SLOTS) as servers:
        found = rounds(servers, 2, _measure)
    ours, peers = found["cached"]
    rows = [
        Row("our cached tokens of those that could be", "%", ours, least=96.0),
        Row("the peer's", "%", peers),
        Row("TTFT p95", "ms", *found["p95"], most=0.9),
        Row("TTFT p50", "ms", *found["p50"]),
    ]
    return Comparison(NAME, ABOUT, rows)


def shuffled(salt: str) -> list[int]:
    """The chat of every turn, each as often as it has turns."""
    order = [chat for chat in range(CHATS) for _ in range(TURNS)]
    random.Random(salt).shuffle(order)
    return order


def _measure(server: Server, salt: str) -> dict[str, float]:
    chats = [
        Chat(questions=[question(f"{salt} {chat} {turn}", 40) for turn in range(TURNS)], max_tokens=24)
        for chat in range(CHATS)
    ]
    held = hold(server, salt, chats, workers=SLOTS, order=shuffled(salt))
    p50, p95 = (held.percentile(share, lambda turn: turn.ttft_ms) for share in (0.5, 0.95))
    return {"cached": 100 * held.cached_share, "p50": p50, "p95": p95}
