"""Three streams that run while a long prompt arrives."""

from __future__ import annotations

from bench.chats import Chat, Conversation, hold
from bench.client import Turn
from bench.comparison import Comparison, Row, both, missing_peer, rounds
from bench.prompts import question, words
from bench.server import Server

NAME = "long-arrival"
STREAMS = 3
LONG_TOKENS = 1500
ARRIVES_S = 1.0
ABOUT = f"{STREAMS} streams while a cold prompt of {LONG_TOKENS} tokens arrives"


def run() -> Comparison:
    """What the streams feel of it, and how much later it begins."""
    if absent := missing_peer(NAME, ABOUT):
        return absent
    with both(slots=STREAMS + 1) as servers:
        found = rounds(servers, 2, _measure)
    rows = [
        Row("longest gap in a stream", "ms", *found["gap"], most=0.1),
        Row("TTFT of the long prompt", "ms", *found["long"], most=1.25),
    ]
    return Comparison(NAME, ABOUT, rows)


def _measure(server: Server, salt: str) -> dict[str, float]:
    chats = [Chat(questions=[question(f"{salt} {number}")], max_tokens=256) for number in range(STREAMS)]
    late = Chat(questions=[words(LONG_TOKENS, salt)], after_s=ARRIVES_S, max_tokens=8)
    held = hold(server, salt, [*chats, late], workers=STREAMS + 1)
    streams = _running(held)
    if len(streams) < STREAMS:
        raise RuntimeError(
            f"only {len(streams)} of {STREAMS} streams ran when the long prompt came: nothing was measured"
        )
    gap_ms = max((turn.longest_gap_ms for turn in streams), default=0.0)
    return {"gap": gap_ms, "long": held.of(STREAMS)[0].ttft_ms}


def _running(held: Conversation) -> list[Turn]:
    """The streams that had begun and not ended when the long prompt came."""
    streams = [held.of(number)[0] for number in range(STREAMS)]
    return [turn for turn in streams if turn.content_ms[0] < ARRIVES_S * 1e3 < turn.content_ms[-1]]
