"""What finished chats that nobody continues cost the running ones."""

from __future__ import annotations

from contextlib import ExitStack

from bench.chats import Chat, hold
from bench.comparison import Comparison, Row, ours, rounds
from bench.prompts import question, words
from bench.server import Server

NAME = "idle-history"
FINISHED = 30
ABOUT = f"decode with {FINISHED} finished chats in the cache, and with none"


def run() -> Comparison:
    """Two gateways, one with a past."""
    with ExitStack() as stack:
        full, empty = (stack.enter_context(ours(8)) for _ in range(2))
        hold(
            full,
            "past",
            [Chat(questions=[words(200, f"past {number}")], max_tokens=16) for number in range(FINISHED)],
            workers=8,
        )
        found = rounds((full, empty), 5, _measure)
    return Comparison(
        NAME, ABOUT, [Row("decode", "tokens/s", *found["decode"], least=0.97)], sides=("with a past", "empty")
    )


def _measure(server: Server, salt: str) -> dict[str, float]:
    held = hold(
        server, salt, [Chat(questions=[question(f"{salt} {number}")], max_tokens=96) for number in range(3)]
    )
    return {"decode": held.percentile(0.5, lambda turn: turn.decode_tps)}
