"""Eight users at once under one system prompt that no server has seen."""

from __future__ import annotations

from bench.chats import Chat, Said, hold
from bench.comparison import Comparison, Row, both, missing_peer, rounds
from bench.prompts import question, words
from bench.server import Server

NAME = "shared-prompt"
USERS = 8
SYSTEM_TOKENS = 500
ABOUT = f"{USERS} users at once under one cold system prompt of {SYSTEM_TOKENS} tokens"


def run() -> Comparison:
    """The shared part should be computed once."""
    if absent := missing_peer(NAME, ABOUT):
        return absent
    with both(slots=USERS) as servers:
        found = rounds(servers, 3, _measure)
    rows = [
        Row("TTFT p50", "ms", *found["ttft"], most=0.25),
        Row("prompt tokens from the cache", "%", *found["cached"]),
    ]
    return Comparison(NAME, ABOUT, rows)


def _measure(server: Server, salt: str) -> dict[str, float]:
    history = [Said("system", words(SYSTEM_TOKENS, salt))]
    chats = [
        Chat(history=history, questions=[question(f"{salt} {number}", 8)], max_tokens=16)
        for number in range(USERS)
    ]
    held = hold(server, salt, chats, workers=USERS)
    cached = sum(turn.cached_tokens for turn in held.turns) / sum(turn.prompt_tokens for turn in held.turns)
    return {"ttft": held.percentile(0.5, lambda turn: turn.ttft_ms), "cached": 100 * cached}
