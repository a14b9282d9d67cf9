"""Dashboard *Overview & SLO*: whether the service is good enough now, and what it does."""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.board import Board, Section
from grafana.sources.objectives import AVAILABILITY, BURNS, FAST, SLOW, TICKET, TTFT_S, TTFT_SHARE
from grafana.sources.panels import (
    BAD,
    COUNT,
    GOOD,
    NOTE,
    OUTCOME_COLOURS,
    RATE,
    SECONDS,
    SHARE,
    TOKENS_PER_S,
    WARN,
    Panel,
    Query,
    figure,
    graph,
    heat,
)

BURN_LINES = {TICKET.factor: NOTE, SLOW.factor: WARN, FAST.factor: BAD}
USAGE = "gen_ai_client_inference_usage"
LATENCY = ("Latency anatomy", "/d/firsttoken-latency?${__url_time_range}&${__all_variables}")
TRACES = ("Trace explorer", "/d/firsttoken-traces?${__url_time_range}&${__all_variables}")


def _objectives() -> list[Panel]:
    def left(share: str, objective: float) -> str:
        return f"1 - ({share}) / {1 - objective:.4g}"

    budget = {0.0: WARN, 0.5: GOOD}
    return [
        figure(
            "Availability",
            "Share of requests answered, of those that the client neither got wrong nor cancelled."
            f" Objective: {AVAILABILITY:.2%}.",
            SHARE,
            f"1 - ({q.failed_share(q.RANGE)})",
            steps={AVAILABILITY: GOOD},
        ),
        figure(
            "Error budget left",
            "1 is untouched, 0 is spent, below it is overspent: what the chosen time range left of the"
            f" {1 - AVAILABILITY:.2%} of requests that may fail.",
            SHARE,
            left(q.failed_share(q.RANGE), AVAILABILITY),
            steps=budget,
        ),
        figure(
            f"First token within {TTFT_S:g} s",
            f"Share of first tokens sampled within {TTFT_S:g} s of the request's first byte. Objective:"
            f" {TTFT_SHARE:.0%}.",
            SHARE,
            f"1 - ({q.late_share(q.RANGE)})",
            steps={TTFT_SHARE: GOOD},
        ),
        figure(
            "Latency budget left",
            "1 is untouched, 0 is spent, below it is overspent: what the chosen time range left of the"
            f" {1 - TTFT_SHARE:.0%} of first tokens that may be late.",
            SHARE,
            left(q.late_share(q.RANGE), TTFT_SHARE),
            steps=budget,
        ),
    ]


def _burn(title: str, what: str, share: dict[str, str], objective: float) -> Panel:
    return graph(
        title,
        f"How many times faster than allowed {what} spend their budget. The alerts fire where both windows of"
        " a pair are over a line:"
        f" {', '.join(f'{b.factor:g} ({b.long_window} and {b.short_window})' for b in BURNS)}. Six hours and"
        " three days come from the recording rules.",
        COUNT,
        *(Query(f"({expr}) / {1 - objective:.4g}", f"over {window}") for window, expr in share.items()),
        limits=BURN_LINES,
        links=[TRACES],
    )


LIVE, RECORDED = (FAST.short_window, FAST.long_window), (SLOW.long_window, TICKET.long_window)
"""Windows that a panel can read at every step, and those that are read from the recording rules."""
FAILED = {w: q.failed_share(w) for w in LIVE} | {w: q.recorded_failed_share(w) for w in RECORDED}
LATE = {w: q.late_share(w) for w in LIVE} | {w: q.recorded_late_share(w) for w in RECORDED}

LENGTH = "gen_ai_client_inference_operation"
ASKED = Section(
    "What is asked and answered",
    [
        graph(
            "Finish reasons",
            "Answers per second by why they ended. More `length` than usual: answers are cut off, by"
            " max_tokens or by the context.",
            RATE,
            Query(q.rate("firsttoken_requests_finished_total", "reason"), "{{reason}}"),
            stacked=True,
            width=8,
        ),
        heat(
            "Prompt length",
            "How many requests had how many prompt tokens.",
            COUNT,
            q.buckets(f"{LENGTH}_input_tokens"),
            width=8,
        ),
        heat(
            "Answer length",
            "How many answers had how many tokens.",
            COUNT,
            q.buckets(f"{LENGTH}_output_tokens"),
            width=8,
        ),
    ],
)

OVERVIEW = Board(
    uid="firsttoken-overview",
    title="firsttoken: Overview & SLO",
    description="Is the service good enough now, and what is it doing?",
    sections=[
        Section("Objectives, over the chosen time range", _objectives()),
        Section(
            "How fast the budgets are spent",
            [
                _burn("Burn rate: availability", "failed requests", FAILED, AVAILABILITY),
                _burn("Burn rate: time to first token", "late first tokens", LATE, TTFT_SHARE),
            ],
        ),
        Section(
            "The gateway's own objectives (settings `slo.*`)",
            [
                graph(
                    "Burn rate by objective",
                    "How many times faster than allowed each objective of the gateway's settings is spent, as"
                    " the gateway computes it from its own roll-ups, over one hour and six.",
                    COUNT,
                    *(
                        Query(
                            q.total(
                                "firsttoken_slo_burn_rate",
                                "instance, objective",
                                scope=f'{q.GATEWAY},window="{window}"',
                            ),
                            f"{{{{objective}}}} over {window} · {{{{instance}}}}",
                        )
                        for window in ("1h", "6h")
                    ),
                    limits=BURN_LINES,
                ),
                graph(
                    "Budget left by objective",
                    "1 is untouched, 0 is spent, below it (red) is overspent: what is left of each"
                    " objective's budget over `slo.window_days`.",
                    SHARE,
                    Query(
                        q.total("firsttoken_slo_budget_left", "instance, objective", scope=q.GATEWAY),
                        "{{objective}} · {{instance}}",
                    ),
                    budget=True,
                ),
            ],
        ),
        Section(
            "Traffic",
            [
                graph(
                    "Requests",
                    "Requests that ended per second: answered, failed by us, wrong by the client's doing,"
                    " left by the client.",
                    RATE,
                    Query(q.rate(q.REQUESTS, "outcome"), "{{outcome}}"),
                    stacked=True,
                    colours=OUTCOME_COLOURS,
                    links=[TRACES],
                ),
                graph(
                    "Tokens",
                    "Tokens per second through the API: prompts (cached ones included), answers, and what of"
                    " the prompts the cache supplied and what it kept.",
                    TOKENS_PER_S,
                    Query(q.rate(f"{USAGE}_input_tokens_total"), "prompt"),
                    Query(q.rate(f"{USAGE}_output_tokens_total"), "answer"),
                    Query(q.rate(f"{USAGE}_cache_read_input_tokens_total"), "prompt, from the cache"),
                    Query(q.rate(f"{USAGE}_cache_write_input_tokens_total"), "prompt, kept in the cache"),
                ),
                graph(
                    "Time to first token",
                    "From the first byte of the request read to the first token sampled. The dots are"
                    " requests: click one for its trace.",
                    SECONDS,
                    *(
                        Query(q.quantile(p, q.TTFT), f"p{p * 100:g}", exemplars=p == 0.95)
                        for p in (0.5, 0.95, 0.99)
                    ),
                    links=[LATENCY],
                ),
                graph(
                    "Request duration",
                    "From the first byte read to the last byte written, whole answer included. The dots are"
                    " requests: click one for its trace.",
                    SECONDS,
                    *(
                        Query(q.quantile(p, q.REQUEST_DURATION), f"p{p * 100:g}", exemplars=p == 0.95)
                        for p in (0.5, 0.95, 0.99)
                    ),
                    links=[LATENCY],
                ),
                graph(
                    "Turned away",
                    "Requests refused, or ended by an engine that died, per second, by reason. queue_full"
                    " means that capacity was the problem.",
                    RATE,
                    Query(
                        f"{q.rate('firsttoken_requests_rejected_total', 'reason', scope=q.GATEWAY)} > 0",
                        "{{reason}}",
                    ),
                    stacked=True,
                ),
                graph(
                    "Ignored fields",
                    "Fields of requests per second that were taken and not obeyed, by API and field. `_other`"
                    " is what no server is known to have.",
                    "cps",
                    Query(
                        q.rate("firsttoken_request_ignored_fields_total", "api, field", scope=q.GATEWAY),
                        "{{api}} {{field}}",
                    ),
                    stacked=True,
                ),
                graph(
                    "Waiting and in flight",
                    "Requests that wait for a slot, and HTTP requests of any kind that are being answered.",
                    COUNT,
                    Query(q.total("firsttoken_queue_depth"), "waiting for a slot"),
                    Query(q.total("http_server_active_requests", scope=q.GATEWAY), "HTTP requests in flight"),
                ),
            ],
        ),
        ASKED,
    ],
)
