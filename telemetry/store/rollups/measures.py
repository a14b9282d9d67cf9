"""The measures that the roll-ups keep as histograms, each in one unit."""

from __future__ import annotations

from enum import StrEnum


class Measure(StrEnum):
    """Name in `rollup_histograms.measure`. Times are microseconds; rates are tokens per second x 1,000."""

    TTFT = "ttft"
    OUTPUT_RATE = "output_rate"
    PROMPT_RATE = "prompt_rate"
    INTER_TOKEN = "inter_token"  # noqa: S105 - a measure
    QUEUE = "queue"


SCALE: dict[Measure, float] = {
    Measure.TTFT: 1e-3,
    Measure.OUTPUT_RATE: 1e-3,
    Measure.PROMPT_RATE: 1e-3,
    Measure.INTER_TOKEN: 1e-3,
    Measure.QUEUE: 1e-3,
}
"""From the stored unit to the shown one: milliseconds and tokens per second."""
