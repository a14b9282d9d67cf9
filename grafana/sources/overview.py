"""Dashboard *Overview & SLO*: whether the service is good enough now, and what it does."""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.board import Board, Section
from grafana.sources.objectives import AVAILABILITY, FAST, SLOW, TTFT_S, TTFT_SHARE
from grafana.sources.panels import BAD, COUNT, GOOD, OUTCOME_COLOURS, RATE, SECONDS, SHARE, TOKENS_PER_S, WARN, Panel, Query, figure, graph

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
            f"Share of requests answered, of those that the client neither got wrong nor cancelled. Objective: {AVAILABILITY:.2%}.",
            SHARE,
            f"1 - ({q.failed_share(q.RANGE)})",
            steps={AVAILABILITY: GOOD},
        ),
        figure(
            "Error budget left",
            f"1 is untouched, 0 is spent: what the chosen time range left of the {1 - AVAILABILITY:.2%} of requests that may fail.",
            SHARE,
            left(q.failed_share(q.RANGE), AVAILABILITY),
            steps=budget,
        ),
        figure(
            f"First token within {TTFT_S:g} s",
            f"Share of first tokens sampled within {TTFT_S:g} s of the request's first byte. Objective: {TTFT_SHARE:.0%}.",
            SHARE,
            f"1 - ({q.late_share(q.RANGE)})",
            steps={TTFT_SHARE: GOOD},
        ),
        figure(
            "Latency budget left",
            f"1 is untouched, 0 is spent: what the chosen time range left of the {1 - TTFT_SHARE:.0%} of first tokens that may be late.",
            SHARE,
            left(q.late_share(q.RANGE), TTFT_SHARE),
            steps=budget,
        ),
    ]


def _burn(title: str, what: str, share: dict[str, str], objective: float) -> Panel:
    return graph(
        title,
        f"How many times faster than allowed {what} spend their budget. The alerts fire where both windows of a pair are over a line: "
        f"{FAST.factor:g} ({FAST.long_window} and {FAST.short_window}), {SLOW.factor:g} ({SLOW.long_window} and {SLOW.short_window}).",
        COUNT,
        *(Query(f"({expr}) / {1 - objective:.4g}", f"over {window}") for window, expr in share.items()),
        limits={SLOW.factor: WARN, FAST.factor: BAD},
        links=[TRACES],
    )


WINDOWS = (FAST.short_window, FAST.long_window, SLOW.long_window)

OVERVIEW = Board(
    uid="firsttoken-overview",
    title="firsttoken: Overview & SLO",
    description="Is the service good enough now, and what is it doing?",
    sections=[
        Section("Objectives, over the chosen time range", _objectives()),
        Section(
            "How fast the budgets are spent",
            [
                _burn("Burn rate: availability", "failed requests", {w: q.failed_share(w) for w in WINDOWS}, AVAILABILITY),
                _burn("Burn rate: time to first token", "late first tokens", {w: q.late_share(w) for w in WINDOWS}, TTFT_SHARE),
            ],
        ),
        Section(
            "The gateway's own objectives (settings `slo.*`)",
            [
                graph(
                    "Burn rate by objective",
                    "How many times faster than allowed each objective of the gateway's settings is spent, as the gateway computes it from its own "
                    "roll-ups, over one hour and six.",
                    COUNT,
                    *(
                        Query(
                            q.total("firsttoken_slo_burn_rate", "instance, objective", scope=f'{q.GATEWAY},window="{window}"'),
                            f"{{{{objective}}}} over {window} · {{{{instance}}}}",
                        )
                        for window in ("1h", "6h")
                    ),
                    limits={SLOW.factor: WARN, FAST.factor: BAD},
                ),
                graph(
                    "Budget left by objective",
                    "1 is untouched, 0 is spent: what is left of each objective's budget over `slo.window_days`.",
                    SHARE,
                    Query(q.total("firsttoken_slo_budget_left", "instance, objective", scope=q.GATEWAY), "{{objective}} · {{instance}}"),
                ),
            ],
        ),
        Section(
            "Traffic",
            [
                graph(
                    "Requests",
                    "Completed requests per second: answered ones, and the others by error.type. client_disconnect is the client's choice.",
                    RATE,
                    Query(q.rate(f"{q.REQUESTS}_count", scope=f'{q.MODEL},error_type=""'), "ok"),
                    Query(q.rate(f"{q.REQUESTS}_count", "error_type", scope=f'{q.MODEL},error_type!=""'), "{{error_type}}"),
                    stacked=True,
                    colours=OUTCOME_COLOURS,
                    links=[TRACES],
                ),
                graph(
                    "Tokens",
                    "Tokens per second through the API: prompts (cached ones included), answers, and what of the prompts the cache supplied.",
                    TOKENS_PER_S,
                    Query(q.rate(f"{USAGE}_input_tokens_total"), "prompt"),
                    Query(q.rate(f"{USAGE}_output_tokens_total"), "answer"),
                    Query(q.rate(f"{USAGE}_cache_read_input_tokens_total"), "prompt, from the cache"),
                ),
                graph(
                    "Time to first token",
                    "From the first byte of the request read to the first token sampled. The dots are requests: click one for its trace.",
                    SECONDS,
                    *(Query(q.quantile(p, q.TTFT), f"p{p * 100:g}", exemplars=p == 0.95) for p in (0.5, 0.95, 0.99)),
                    links=[LATENCY],
                ),
                graph(
                    "Request duration",
                    "From the first byte read to the last byte written, whole answer included. The dots are requests: click one for its trace.",
                    SECONDS,
                    *(Query(q.quantile(p, q.REQUESTS), f"p{p * 100:g}", exemplars=p == 0.95) for p in (0.5, 0.95, 0.99)),
                    links=[LATENCY],
                ),
                graph(
                    "Turned away",
                    "Requests refused at the door per second, by reason. queue_full means that capacity, not the client, was the problem.",
                    RATE,
                    Query(q.rate("firsttoken_requests_rejected_total", "reason", scope=q.GATEWAY), "{{reason}}"),
                    stacked=True,
                ),
                graph(
                    "Ignored fields",
                    "Fields of requests per second that were taken and not obeyed, by API and field. `_other` is what no server is known to have.",
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
    ],
)
