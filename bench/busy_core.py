"""The machine is not ours alone: one core is kept busy by another program. Ours, the peer's, and ours with
fixed threads.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack

from bench.busy import busy_cores
from bench.chats import Chat, hold
from bench.comparison import N_CTX, THREADS, Comparison, Row, missing_peer, ours, rounds
from bench.figures import percentile
from bench.prompts import question
from bench.server import PeerServer, Server

NAME = "busy-core"
ABOUT = (
    "6 chats of 10, 100 and 300 words, 4 at a time, and one stream, beside a program that keeps one core busy"
)
WORDS = (10, 100, 300)
CHATS = 6
AT_ONCE = 4
FIXED = (1, THREADS)
"""Numbers of threads that somebody could set instead."""


def run() -> Comparison:
    """What a busy core costs, and whether any fixed setting would cost less."""
    if absent := missing_peer(NAME, ABOUT):
        return absent
    with ExitStack() as stack:
        servers = (
            stack.enter_context(ours(8)),
            stack.enter_context(PeerServer(slots=8, n_ctx=N_CTX, threads=THREADS)),
        )
        stack.enter_context(busy_cores(1))
        found = rounds(servers, 3, _measure)
    best = min(statistics.median(_fixed(threads)) for threads in FIXED)
    rows = [
        Row("wall of the mixed load", "s", *found["wall"], most=0.5),
        Row("TTFT p95 of the mixed load", "ms", *found["p95"]),
        Row("decode of one stream", "tokens/s", *found["decode"], least=1.5),
        Row(
            "wall; right: ours with the best fixed number of threads",
            "s",
            found["wall"][0],
            [best] * len(found["wall"][0]),
            most=1.1,
        ),
    ]
    return Comparison(NAME, ABOUT, rows)


def _fixed(threads: int) -> list[float]:
    """Wall times of ours with so many threads whatever happens."""
    with (
        ours(8, "--engine-threads", str(threads), "--engine-threads-adaptive", "false") as server,
        busy_cores(1),
    ):
        return [_measure(server, f"fixed-{threads}-{number}")["wall"] for number in range(3)][1:]


def _measure(server: Server, salt: str) -> dict[str, float]:
    stream = hold(server, f"{salt}-stream", [Chat(questions=[question(f"{salt} stream")], max_tokens=64)])
    sizes = [WORDS[number % len(WORDS)] for number in range(CHATS)]
    chats = [
        Chat(questions=[question(f"{salt} {number}", size)], max_tokens=16)
        for number, size in enumerate(sizes)
    ]
    held = hold(server, salt, chats, workers=AT_ONCE)
    ttft_ms = [turn.ttft_ms for turn in held.turns]
    return {
        "wall": held.wall_s,
        "p95": percentile(ttft_ms, 0.95),
        "decode": stream.percentile(0.5, lambda turn: turn.decode_tps),
    }
