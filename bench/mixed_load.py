"""Short and long prompts together, ours and the peer's."""

from __future__ import annotations

from bench.chats import Chat, hold
from bench.comparison import Comparison, Row, both, missing_peer, rounds
from bench.figures import percentile
from bench.prompts import question
from bench.server import Server

NAME = "mixed-load"
ABOUT = "16 chats of 10, 100, 300 and 600 words, 4 at a time; then the same beside one long stream"
WORDS = (10, 100, 300, 600)
CHATS = 16
AT_ONCE = 4
STREAM_TOKENS = 1000
"""Of the stream that runs beside them: more than the others' time allows, so that it runs all the while."""


def run() -> Comparison:
    """How long all of it takes, how long each waits, and what running streams feel."""
    if absent := missing_peer(NAME, ABOUT):
        return absent
    with both(slots=8) as servers:
        found = rounds(servers, 3, measure)
        beside = rounds(servers, 3, _measure_gap)
    rows = [
        Row("wall", "s", *found["wall"], most=1.0),
        Row("TTFT p50", "ms", *found["p50"]),
        Row("TTFT p95", "ms", *found["p95"], most=1.2),
        Row("TTFT, the longest", "ms", *found["max"]),
        Row("longest gap in the stream beside them", "ms", *beside["gap"], most=0.15),
    ]
    return Comparison(NAME, ABOUT, rows)


def _measure_gap(server: Server, salt: str) -> dict[str, float]:
    """What a stream feels of half of the chats. Without it the peer has no gaps: its chats begin and end together."""
    stream = Chat(questions=[question(f"{salt} stream")], max_tokens=STREAM_TOKENS)
    held = hold(server, f"{salt}-beside", [stream, *_chats(salt)[: CHATS // 2]], workers=AT_ONCE + 1)
    return {"gap": held.of(0)[0].longest_gap_ms}


def _chats(salt: str) -> list[Chat]:
    sizes = [WORDS[number % len(WORDS)] for number in range(CHATS)]
    return [Chat(questions=[question(f"{salt} {number}", size)], max_tokens=16) for number, size in enumerate(sizes)]


def measure(server: Server, salt: str) -> dict[str, float]:
    """Hold all chats once."""
    chats = _chats(salt)
    held = hold(server, salt, chats, workers=AT_ONCE)
    ttft_ms = [turn.ttft_ms for turn in held.turns]
    return {
        "wall": held.wall_s,
        "p50": percentile(ttft_ms, 0.5),
        "p95": percentile(ttft_ms, 0.95),
        "max": max(ttft_ms),
    }
