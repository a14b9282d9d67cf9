"""PromQL in pieces: the filters of the dashboards' variables, rates, quantiles, and the ratios of the objectives.

Names and labels are those of `telemetry/instruments.py` as the OTLP → Prometheus translation writes them; a test
checks every one. An empty label value and a missing label are the same to PromQL, which is why both paths fit.
"""

from __future__ import annotations

from grafana.sources.objectives import TTFT_S
from telemetry.semconv import SERVER_FAILURES

GATEWAY = 'job=~"$job",instance=~"$instance"'
MODEL = f'{GATEWAY},gen_ai_request_model=~"$model"'
CONTEXT = f'{MODEL},context_bucket=~"$context_bucket"'

REQUESTS = "gen_ai_server_request_duration_seconds"
TTFT = "gen_ai_server_time_to_first_token_seconds"
TTFT_BY_CONTEXT = "firsttoken_ttft_by_context_seconds"
OUTPUT_RATE = "firsttoken_output_rate_per_second"
PROMPT_RATE = "firsttoken_prompt_rate_per_second"
PHASE = "firsttoken_phase_duration_seconds"

INTERVAL = "$__rate_interval"
RANGE = "$__range"

FAILED = f'error_type=~"{"|".join(SERVER_FAILURES)}"'
COUNTED = f'error_type=~"|{"|".join(SERVER_FAILURES)}"'
"""Answered (no error) or failed by us; mistakes and departures of clients are not counted."""


def rate(metric: str, by: str = "", *, scope: str = MODEL, window: str = INTERVAL) -> str:
    """Per second, summed by labels; `scope` holds the filters."""
    return f"sum by ({by}) (rate({metric}{{{scope}}}[{window}]))"


def increase(metric: str, by: str = "", *, scope: str = MODEL, window: str = RANGE) -> str:
    """How much a counter grew in the window, summed by labels."""
    return f"sum by ({by}) (increase({metric}{{{scope}}}[{window}]))"


def total(metric: str, by: str = "", *, scope: str = MODEL) -> str:
    """A gauge, summed by labels."""
    return f"sum by ({by}) ({metric}{{{scope}}})"


def quantile(q: float, metric: str, by: str = "", *, scope: str = MODEL, window: str = INTERVAL) -> str:
    """A quantile from a histogram's buckets."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket', labels, scope=scope, window=window)})"


def mean(metric: str, by: str = "", *, scope: str = MODEL, window: str = INTERVAL) -> str:
    """The mean from a histogram's sum and count."""
    above, below = (rate(f"{metric}_{part}", by, scope=scope, window=window) for part in ("sum", "count"))
    return f"{above} / {below}"


def buckets(metric: str, *, scope: str = MODEL) -> str:
    """What a heat map draws."""
    return increase(f"{metric}_bucket", "le", scope=scope, window=INTERVAL)


def failed_share(window: str, by: str = "", *, scope: str = MODEL) -> str:
    """Share of requests that we failed; 0 where none failed, nothing where there were no requests."""
    count, comma = f"{REQUESTS}_count", "," if scope else ""
    failed = rate(count, by, scope=f"{scope}{comma}{FAILED}", window=window)
    counted = rate(count, by, scope=f"{scope}{comma}{COUNTED}", window=window)
    return f"({failed} or {counted} * 0) / {counted}"


def late_share(window: str, by: str = "", *, scope: str = MODEL) -> str:
    """Share of first tokens that came later than `TTFT_S`."""
    comma = "," if scope else ""
    early = rate(f"{TTFT}_bucket", by, scope=f'{scope}{comma}le="{TTFT_S}"', window=window)
    return f"1 - {early} / {rate(f'{TTFT}_count', by, scope=scope, window=window)}"
