"""Boundaries of the histograms' buckets."""

from __future__ import annotations

DURATION_BUCKETS = tuple(round(0.01 * 2**n, 2) for n in range(18))
"""0.01 doubling to 1310.72 s: the boundaries of the GenAI convention, carried on for long answers."""
TTFT_BUCKETS = (
    .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60, 120, 300,
)  # fmt: skip
TPOT_BUCKETS = (
    .001, .002, .003, .004, .005, .0075, .01, .015, .02, .025, .03, .04, .05, .075, .1, .15, .2, .3, .4,
    .5, .75, 1, 2.5,
)  # fmt: skip
OUTPUT_RATE_BUCKETS = (1, 2, 5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500, 1000)
PROMPT_RATE_BUCKETS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
INTER_TOKEN_BUCKETS = (
    .001, .002, .003, .005, .0075, .01, .015, .02, .03, .04, .05, .075, .1, .15, .2, .3, .5, 1, 2.5, 5,
)  # fmt: skip
PHASE_BUCKETS = (
    .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120,
    300,
)  # fmt: skip
OVERHEAD_BUCKETS = (.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25)  # fmt: skip
HTTP_BUCKETS = (.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10)  # fmt: skip
"""Those of the HTTP convention."""
BATCH_SEQUENCE_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
BATCH_TOKEN_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
TOKEN_BUCKETS = tuple(4**n for n in range(14))
"""Tokens of one request: those of the GenAI convention."""
