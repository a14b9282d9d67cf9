"""Dashboard *Latency anatomy*: where the time of a request goes, and how it grows with the context."""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.board import Board, Section
from grafana.sources.capacity import US_OR_THE_MODEL
from grafana.sources.overview import TRACES
from grafana.sources.panels import COUNT, PHASE_COLOURS, RATE, SECONDS, TOKENS_PER_S, Query, bars, graph, heat

# a phase that was not needed took 0
PER_REQUEST = (
    f"{q.sum_rate(q.PHASE, 'phase')} / ignoring (phase) group_left () {q.count_rate(q.REQUEST_DURATION)}"
)

CLIENT = "gen_ai_client"
CONVENTIONS = Section(
    "By the names of the GenAI conventions (as other gateways and clients report them)",
    [
        graph(
            "Operation duration, p95",
            "95th percentile of whole operations: answers and embeddings.",
            SECONDS,
            Query(q.quantile(0.95, f"{CLIENT}_inference_duration_seconds"), "inference"),
            Query(q.quantile(0.95, f"{CLIENT}_embeddings_duration_seconds"), "embeddings"),
            width=8,
        ),
        graph(
            "Chunks of streamed answers, p95",
            "95th percentile of the time to the first chunk, and of the time between two.",
            SECONDS,
            Query(q.quantile(0.95, f"{CLIENT}_inference_time_to_first_chunk_seconds"), "to the first"),
            Query(q.quantile(0.95, f"{CLIENT}_inference_time_per_output_chunk_seconds"), "between two"),
            width=8,
        ),
        heat(
            "Length of embedded inputs",
            "How many embeddings requests had how many tokens.",
            COUNT,
            q.buckets(f"{CLIENT}_embeddings_operation_input_tokens"),
            width=8,
        ),
    ],
)

LATENCY = Board(
    uid="firsttoken-latency",
    title="firsttoken: Latency anatomy",
    description="Where the time of a request goes, and how it grows with the context.",
    by_context=True,
    sections=[
        US_OR_THE_MODEL,
        Section(
            "Phases",
            [
                graph(
                    "Mean request, by phase",
                    "Seconds per request spent in each phase, stacked. Streaming runs beside decoding, so the"
                    " stack may be higher than the wall time; the waterfall of one request shows the overlap"
                    " as overlap.",
                    SECONDS,
                    Query(PER_REQUEST, "{{phase}}"),
                    stacked=True,
                    colours=PHASE_COLOURS,
                    links=[TRACES],
                ),
                graph(
                    "Phases, p95",
                    "95th percentile of each phase, of the requests that went through it. The dots are"
                    " requests: click one for its trace.",
                    SECONDS,
                    Query(q.quantile(0.95, q.PHASE, "phase"), "{{phase}}", exemplars=True),
                    colours=PHASE_COLOURS,
                    links=[TRACES],
                ),
                graph(
                    "The gateway's own time",
                    "Wall time minus queue, engine and waiting for the client: what the gateway itself costs"
                    " a request.",
                    SECONDS,
                    *(
                        Query(q.quantile(p, "firsttoken_overhead_duration_seconds"), f"p{p * 100:g}")
                        for p in (0.5, 0.95, 0.99)
                    ),
                ),
                graph(
                    "Inter-token latency",
                    "Time between two sampled tokens of one request (those of one step share its time), and"
                    " the mean per request (time per output token).",
                    SECONDS,
                    *(
                        Query(q.quantile(p, "firsttoken_inter_token_latency_seconds"), f"p{p * 100:g}")
                        for p in (0.5, 0.95, 0.99)
                    ),
                    Query(
                        q.quantile(0.5, "gen_ai_server_time_per_output_token_seconds"),
                        "per request, p50",
                        exemplars=True,
                    ),
                ),
            ],
        ),
        Section(
            "Time to first token",
            [
                heat(
                    "Time to first token, all contexts",
                    "How many first tokens came after how long. The dots are requests: click one for its"
                    " trace.",
                    SECONDS,
                    q.buckets(q.TTFT),
                    exemplars=True,
                ),
                graph(
                    "Time to first token by context, p95",
                    "95th percentile by prompt tokens. A line that rises while the others do not is a prompt"
                    " size that got slower.",
                    SECONDS,
                    Query(
                        q.quantile(0.95, q.TTFT_BY_CONTEXT, "context_bucket", scope=q.CONTEXT),
                        "{{context_bucket}}",
                        exemplars=True,
                    ),
                    links=[TRACES],
                ),
                heat(
                    "Time to first token, context $context_bucket",
                    "How many first tokens came after how long, for prompts of this many tokens. One heat map"
                    " per chosen context bucket.",
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
                    "Median tokens per second of an answer after its first token, by prompt tokens, over the"
                    " chosen time range.",
                    TOKENS_PER_S,
                    q.quantile(0.5, q.OUTPUT_RATE, "context_bucket", scope=q.CONTEXT, window=q.RANGE),
                    "{{context_bucket}}",
                ),
                bars(
                    "Prefill rate by context, p50",
                    "Median computed (uncached) prompt tokens per second of prefill, by prompt tokens, over"
                    " the chosen time range.",
                    TOKENS_PER_S,
                    q.quantile(0.5, q.PROMPT_RATE, "context_bucket", scope=q.CONTEXT, window=q.RANGE),
                    "{{context_bucket}}",
                ),
                heat(
                    "Output rate, context $context_bucket",
                    "How many answers ran at which tokens per second, for prompts of this many tokens. One"
                    " heat map per chosen context bucket.",
                    TOKENS_PER_S,
                    q.buckets(q.OUTPUT_RATE, scope=q.CONTEXT),
                    width=8,
                    repeat="context_bucket",
                    exemplars=True,
                ),
                graph(
                    "Requests by context",
                    "First tokens per second by prompt tokens: how much traffic stands behind the figures"
                    " above.",
                    RATE,
                    Query(
                        q.count_rate(q.TTFT_BY_CONTEXT, "context_bucket", scope=q.CONTEXT),
                        "{{context_bucket}}",
                    ),
                    stacked=True,
                    width=24,
                ),
            ],
        ),
        CONVENTIONS,
    ],
)
