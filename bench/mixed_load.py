"""Short and long prompts together, ours and the peer's."""

from __future__ import annotations

from bench.chats import Chat, hold
from bench.comparison import Comparison, Row, both, missing_peer, rounds
from bench.figures import percentile
from bench.prompts import question
from bench.server import Server

NAME = "mixed-load"
ABOUT = "16 chats of 10, 100, 300 and 600 words, 4 at a time"
WORDS = (10, 100, 300, 600)
CHATS = 16
AT_ONCE = 4


def run() -> Comparison:
    """How long all of it takes and how long each waits. The longest gap is no measure of the peer's here: its
    chats begin and end together, so that none streams while another's prompt is computed; `long-arrival` is
    about that.
    """
    if absent := missing_peer(NAME, ABOUT):
        return absent
    with both(slots=8) as servers:
        found = rounds(servers, 3, measure)
    rows = [
        Row("wall", "s", *found["wall"], most=1.0),
        Row("TTFT p50", "ms", *found["p50"]),
        Row("TTFT p95", "ms", *found["p95"], most=1.2),
        Row("TTFT, the longest", "ms", *found["max"]),
        Row("longest gap in a stream", "ms", *found["gap"]),
    ]
    return Comparison(NAME, ABOUT, rows)


def _chats(salt: str) -> list[Chat]:
    sizes = [WORDS[number % len(WORDS)] for number in range(CHATS)]
    return [
        Chat(questions=[question(f"{salt} {number}", size)], max_tokens=16)
        for number, size in enumerate(sizes)
    ]


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
        "gap": max(turn.longest_gap_ms for turn in held.turns),
    }
