"""The context of the Live page's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dashboard.charts.geometry import Bar
from telemetry.health import StoreHealth
from telemetry.live import LiveEngine


@dataclass(frozen=True, slots=True)
class RunningRow:
    """One request that runs now."""

    seq: Annotated[int, "Unique number, the row's id in the page."]
    request_id: Annotated[str, "`x-request-id`."]
    model: Annotated[str | None, "The model that answers, or that was asked for."]
    phase: Annotated[str, "The current phase's name, as in metrics."]
    phase_label: Annotated[str, "The current phase in words."]
    elapsed_ms: Annotated[float, "Milliseconds since the first byte of the request."]
    prompt_tokens: Annotated[int | None, "Tokens of the prompt, once they were counted."]
    prefilled_tokens: Annotated[int | None, "Tokens of the prompt that are computed, while they are."]
    completion_tokens: Annotated[int | None, "Tokens sampled so far."]
    max_tokens: Annotated[int | None, "Output tokens that were asked for at most, or None."]
    progress: Annotated[float | None, "Per cent of the prompt, then of `max_tokens`; None: no end is known."]
    ttft_ms: Annotated[float | None, "Milliseconds to the first token, once it was sampled."]
    strip: Annotated[tuple[Bar, ...], "Its phases on one line, its time beside the longest request's."]


@dataclass(frozen=True, slots=True)
class LiveContext:
    """The present moment."""

    engines: Annotated[tuple[LiveEngine, ...], "Every configured engine, as it is now."]
    running: Annotated[tuple[RunningRow, ...], "Requests that run now, oldest first."]
    store: Annotated[StoreHealth, "The state of the store's writer."]
    curl: Annotated[str, "A command that sends a first request."]
