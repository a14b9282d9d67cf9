"""The scenarios by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from bench import (
    busy_core,
    collector,
    concurrency,
    constrained_mask,
    cpu_quota,
    draft_model,
    idle_history,
    logprobs,
    long_arrival,
    mixed_load,
    one_stream,
    overhead,
    repetitive,
    restart,
    returning_chats,
    scheduler_alone,
    shared_prompt,
    short_chats,
    single,
    store_at_scale,
    telemetry_cost,
    ten_turns,
    token_cost,
    two_engines,
)
from bench.figures import Result

_PROMISES = (
    one_stream,
    short_chats,
    shared_prompt,
    ten_turns,
    returning_chats,
    long_arrival,
    mixed_load,
    busy_core,
    two_engines,
    cpu_quota,
    restart,
    idle_history,
    repetitive,
    draft_model,
    scheduler_alone,
    logprobs,
    collector,
    telemetry_cost,
    token_cost,
    constrained_mask,
    store_at_scale,
)

SCENARIOS: dict[str, Callable[[], Result]] = {
    "single": single.run,
    "concurrency": concurrency.run,
    "overhead": overhead.run,
    **{module.NAME: module.run for module in _PROMISES},
}

ABOUT: dict[str, str] = {
    "single": "one stream alone on our gateway",
    "concurrency": "8 chats at once against one after another, on our gateway",
    "overhead": "what the gateway itself costs, with a fake engine",
    **{module.NAME: module.ABOUT for module in _PROMISES},
}
"""A line about each, for `--help`."""
