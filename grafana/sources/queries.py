"""PromQL in pieces: the filters of the dashboards' variables, rates, quantiles, and the ratios of the
objectives.

Names and labels are those of `telemetry/metrics/instruments.py` as the OTLP → Prometheus translation writes
them; a test checks every one. An empty label value and a missing label are the same to PromQL, which is why
both paths fit.

A histogram has two forms: classic (`_bucket`, `_sum`, `_count`), and native, one series without a suffix,
which is what exponential histograms become. Whatever reads one asks for the classic form `or` the native one:
only one of them exists.
"""

from __future__ import annotations

from grafana.sources.objectives import TTFT_S

GATEWAY = 'job=~"$job",instance=~"$instance"'
MODEL = f'{GATEWAY},gen_ai_request_model=~"$model"'
CONTEXT = f'{MODEL},context_bucket=~"$context_bucket"'

ALIVE = "firsttoken_store_dropped_total"
"""A series that every running gateway has from its start, one per process: a counter, so no form of
histograms hides it.
"""

REQUESTS = "firsttoken_requests_total"
REQUEST_DURATION = "gen_ai_server_request_duration_seconds"
TTFT = "gen_ai_server_time_to_first_token_seconds"
TTFT_BY_CONTEXT = "firsttoken_ttft_by_context_seconds"
OUTPUT_RATE = "firsttoken_output_rate_per_second"
PROMPT_RATE = "firsttoken_prompt_rate_per_second"
PHASE = "firsttoken_phase_duration_seconds"

INTERVAL = "$__rate_interval"
RANGE = "$__range"

FAILED = 'outcome="failed"'
"""Requests that we failed: a full queue counts."""
COUNTED = 'outcome=~"ok|failed"'
"""Answered, or failed by us; mistakes and departures of clients are not counted."""


def with_(scope: str, *filters: str) -> str:
    """Filters beside those of a scope, which may be empty."""
    return ",".join(part for part in (scope, *filters) if part)


def either(classic: str, native: str) -> str:
    """Whichever form of a histogram there is."""
    return f"({classic} or {native})"


def _selected(metric: str, scope: str) -> str:
    return f"{metric}{{{scope}}}" if scope else metric


def rate(metric: str, by: str = "", *, scope: str = MODEL, window: str = INTERVAL) -> str:
    """Per second, summed by labels; `scope` holds the filters."""
    return f"sum by ({by}) (rate({_selected(metric, scope)}[{window}]))"


def increase(metric: str, by: str = "", *, scope: str = MODEL, window: str = RANGE) -> str:
    """How much a counter grew in the window, summed by labels."""
    return f"sum by ({by}) (increase({_selected(metric, scope)}[{window}]))"


def total(metric: str, by: str = "", *, scope: str = MODEL) -> str:
    """A gauge, summed by labels."""
    return f"sum by ({by}) ({_selected(metric, scope)})"


def quantile(q: float, metric: str, by: str = "", *, scope: str = MODEL, window: str = INTERVAL) -> str:
    """A quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    classic = f"histogram_quantile({q}, {rate(f'{metric}_bucket', labels, scope=scope, window=window)})"
    return either(classic, f"histogram_quantile({q}, {rate(metric, by, scope=scope, window=window)})")


def count_rate(metric: str, by: str = "", *, scope: str = MODEL, window: str = INTERVAL) -> str:
    """How many values per second a histogram took."""
    native = f"histogram_count({rate(metric, by, scope=scope, window=window)})"
    return either(rate(f"{metric}_count", by, scope=scope, window=window), native)


def sum_rate(metric: str, by: str = "", *, scope: str = MODEL, window: str = INTERVAL) -> str:
    """What a histogram's values add up to, per second."""
    native = f"histogram_sum({rate(metric, by, scope=scope, window=window)})"
    return either(rate(f"{metric}_sum", by, scope=scope, window=window), native)


def mean(metric: str, by: str = "", *, scope: str = MODEL, window: str = INTERVAL) -> str:
    """The mean of a histogram's values."""
    return (
        f"{sum_rate(metric, by, scope=scope, window=window)} /"
        f" {count_rate(metric, by, scope=scope, window=window)}"
    )


def mean_since_start(metric: str, by: str = "", *, scope: str = MODEL) -> str:
    """The mean of all of a histogram's values; nothing where it has none."""
    native = total(metric, by, scope=scope)
    above = either(total(f"{metric}_sum", by, scope=scope), f"histogram_sum({native})")
    return (
        f"{above} / ({either(total(f'{metric}_count', by, scope=scope), f'histogram_count({native})')} > 0)"
    )


def buckets(metric: str, *, scope: str = MODEL) -> tuple[str, str]:
    """What a heat map draws, in the classic form and in the native one."""
    return increase(f"{metric}_bucket", "le", scope=scope, window=INTERVAL), increase(
        metric, scope=scope, window=INTERVAL
    )


def failed_share(window: str, by: str = "", *, scope: str = MODEL) -> str:
    """Share of requests that we failed; 0 where none failed, nothing where there were no requests."""
    counted = rate(REQUESTS, by, scope=with_(scope, COUNTED), window=window)
    return f"{rate(REQUESTS, by, scope=with_(scope, FAILED), window=window)} / ({counted} > 0)"


def counted_requests(window: str, by: str = "", *, scope: str = MODEL) -> str:
    """How many requests the share above is of."""
    return increase(REQUESTS, by, scope=with_(scope, COUNTED), window=window)


def late_rate(window: str, by: str = "", *, scope: str = MODEL) -> str:
    """First tokens per second that came later than `TTFT_S`."""
    early = rate(f"{TTFT}_bucket", by, scope=with_(scope, f'le="{TTFT_S}"'), window=window)
    native = rate(TTFT, by, scope=scope, window=window)
    late_native = f"histogram_count({native}) * (1 - histogram_fraction(0, {TTFT_S}, {native}))"
    return either(f"{rate(f'{TTFT}_count', by, scope=scope, window=window)} - {early}", late_native)


def late_share(window: str, by: str = "", *, scope: str = MODEL) -> str:
    """Share of first tokens that came later than `TTFT_S`; nothing where there were none."""
    return f"{late_rate(window, by, scope=scope)} / ({count_rate(TTFT, by, scope=scope, window=window)} > 0)"


def first_tokens(window: str, by: str = "", *, scope: str = MODEL) -> str:
    """How many first tokens the share above is of."""
    native = f"histogram_count({increase(TTFT, by, scope=scope, window=window)})"
    return either(increase(f"{TTFT}_count", by, scope=scope, window=window), native)


BY_INSTANCE = "job, instance, gen_ai_request_model"


def recorded(series: str, window: str, *, scope: str = MODEL) -> str:
    """A recorded rate, summed over what the filters leave; see `rules.recording`."""
    return f"sum({recorded_name(series, window)}{{{scope}}})"


def recorded_name(series: str, window: str) -> str:
    """The name of a recorded rate: level, metric, operation."""
    return f"job_instance_model:{series}:rate{window}"


def recorded_failed_share(window: str) -> str:
    """`failed_share` from recorded rates."""
    counted = recorded("firsttoken_requests_counted", window)
    return f"{recorded('firsttoken_requests_failed', window)} / ({counted} > 0)"


def recorded_late_share(window: str) -> str:
    """`late_share` from recorded rates."""
    return f"{recorded('firsttoken_ttft_late', window)} / ({recorded('firsttoken_ttft', window)} > 0)"
