"""Dashboard *Latency anatomy*: where the time of a request goes, and how it grows with the context."""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.board import Board, Section
from grafana.sources.overview import TRACES
from grafana.sources.panels import PHASE_COLOURS, RATE, SECONDS, TOKENS_PER_S, Query, bars, graph, heat

PER_REQUEST = f"{q.rate(f'{q.PHASE}_sum', 'phase')} / ignoring (phase) group_left () {q.rate(f'{q.REQUESTS}_count')}"  # a phase that was not needed took 0

LATENCY = Board(
    uid="firsttoken-latency",
    title="firsttoken: Latency anatomy",
    description="Where the time of a request goes, and how it grows with the context.",
    by_context=True,
    sections=[
        Section(
            "Phases",
            [
                graph(
                    "Mean request, by phase",
                    "Seconds per request spent in each phase, stacked. Streaming runs beside decoding, so the stack may be higher than the "
                    "wall time; the waterfall of one request shows the overlap as overlap.",
                    SECONDS,
                    Query(PER_REQUEST, "{{phase}}"),
                    stacked=True,
                    colours=PHASE_COLOURS,
                    links=[TRACES],
                ),
                graph(
                    "Phases, p95",
                    "95th percentile of each phase, of the requests that went through it. The dots are requests: click one for its trace.",
                    SECONDS,
                    Query(q.quantile(0.95, q.PHASE, "phase"), "{{phase}}", exemplars=True),
                    colours=PHASE_COLOURS,
                    links=[TRACES],
                ),
                graph(
                    "The gateway's own time",
                    "Wall time minus queue, engine and waiting for the client: what the gateway itself costs a request.",
                    SECONDS,
                    *(Query(q.quantile(p, "firsttoken_overhead_duration_seconds"), f"p{p * 100:g}") for p in (0.5, 0.95, 0.99)),
                ),
                graph(
                    "Inter-token latency",
                    "Time between two sampled tokens of one request (those of one step share its time), and the mean per request (time per output token).",
                    SECONDS,
                    *(Query(q.quantile(p, "firsttoken_inter_token_latency_seconds"), f"p{p * 100:g}") for p in (0.5, 0.95, 0.99)),
                    Query(q.quantile(0.5, "gen_ai_server_time_per_output_token_seconds"), "per request, p50", exemplars=True),
                ),
            ],
        ),
        Section(
            "Time to first token",
            [
                heat(
                    "Time to first token, all contexts",
                    "How many first tokens came after how long. The dots are requests: click one for its trace.",
                    SECONDS,
                    q.buckets(q.TTFT),
                    exemplars=True,
                ),
                graph(
                    "Time to first token by context, p95",
                    "95th percentile by prompt tokens. A line that rises while the others do not is a prompt size that got slower.",
                    SECONDS,
                    Query(q.quantile(0.95, q.TTFT_BY_CONTEXT, "context_bucket", scope=q.CONTEXT), "{{context_bucket}}", exemplars=True),
                    links=[TRACES],
                ),
                heat(
                    "Time to first token, context $context_bucket",
                    "How many first tokens came after how long, for prompts of this many tokens. One heat map per chosen context bucket.",
                    SECONDS,
                    q.buckets(q.TTFT_BY_CONTEXT, scope=q.CONTEXT),
                    width=8,
                    repeat="context_bucket",
                    exemplars=True,
                ),
            ],
        ),
        Section(
            "Speed",
            [
                bars(
                    "Output rate by context, p50",
                    "Median tokens per second of an answer after its first token, by prompt tokens, over the chosen time range.",
                    TOKENS_PER_S,
                    q.quantile(0.5, q.OUTPUT_RATE, "context_bucket", scope=q.CONTEXT, window=q.RANGE),
                    "{{context_bucket}}",
                ),
                bars(
                    "Prefill rate by context, p50",
                    "Median computed (uncached) prompt tokens per second of prefill, by prompt tokens, over the chosen time range.",
                    TOKENS_PER_S,
                    q.quantile(0.5, q.PROMPT_RATE, "context_bucket", scope=q.CONTEXT, window=q.RANGE),
                    "{{context_bucket}}",
                ),
                heat(
                    "Output rate, context $context_bucket",
                    "How many answers ran at which tokens per second, for prompts of this many tokens. One heat map per chosen context bucket.",
                    TOKENS_PER_S,
                    q.buckets(q.OUTPUT_RATE, scope=q.CONTEXT),
                    width=8,
                    repeat="context_bucket",
                    exemplars=True,
                ),
                graph(
                    "Requests by context",
                    "First tokens per second by prompt tokens: how much traffic stands behind the figures above.",
                    RATE,
                    Query(q.rate(f"{q.TTFT_BY_CONTEXT}_count", "context_bucket", scope=q.CONTEXT), "{{context_bucket}}"),
                    stacked=True,
                    width=24,
                ),
            ],
        ),
    ],
)
