"""What planning and sampling cost beside computing, without a gateway around."""

from __future__ import annotations

from bench import bare
from bench.comparison import Comparison, Row

NAME = "scheduler"
ABOUT = f"planning and sampling of {bare.SEQUENCES} sequences, share of the step ({bare.STEPS} steps)"


def run() -> Comparison:
    """In a process of its own, like all others."""
    shares = [bare.scheduler_shares() for _ in range(2)]
    rows = [
        Row("plan, apply and sample", "%", [share.planning + share.sampling for share in shares], most=3.0),
        Row("plan and apply", "%", [share.planning for share in shares]),
        Row("sample", "%", [share.sampling for share in shares]),
    ]
    return Comparison(NAME, ABOUT, rows, sides=("share", ""))
