"""Two rows that answer what an on-call engineer asks first: is it the gateway or the model, and is there
room for more.
"""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.board import Section
from grafana.sources.objectives import KV_SHARE, LOOP_LAG_S, QUEUE_AGE_S, TTFT_S
from grafana.sources.panels import BAD, RATE, SECONDS, SHARE, Query, graph

BY_MODEL = "gen_ai_request_model"
NAMED = "{{gen_ai_request_model}}"
SLOTS, KV, KV_LIMIT = "firsttoken_engine_slots", "firsttoken_kv_cache_usage", "firsttoken_kv_cache_limit"

BUSY = q.with_(q.MODEL, 'state!="idle"')


def _p99(metric: str, by: str, scope: str) -> str:
    return q.quantile(0.99, metric, by, scope=scope)


US_OR_THE_MODEL = Section(
    "Us or the model? (99th percentiles: what the gateway adds above, what the model and the client take"
    " below)",
    [
        graph(
            "Gateway overhead, p99",
            "Wall time minus queue, engine and waiting for the client. Milliseconds are normal; more is the"
            " gateway's fault, not the model's.",
            SECONDS,
            Query(_p99("firsttoken_overhead_duration_seconds", BY_MODEL, q.MODEL), NAMED),
            width=8,
        ),
        graph(
            "Event-loop lag, p99",
            "How late the gateway's event loop runs a timer: every request waits this long. The alert line"
            f" is {LOOP_LAG_S} s.",
            SECONDS,
            Query(_p99("firsttoken_event_loop_lag_seconds", "instance", q.GATEWAY), "{{instance}}"),
            width=8,
            limits={LOOP_LAG_S: BAD},
        ),
        graph(
            "Queue, p99",
            "How long requests waited for a slot. High with busy slots is too little capacity; high with idle"
            " ones is KV or a load.",
            SECONDS,
            Query(_p99(q.PHASE, BY_MODEL, f'{q.MODEL},phase="queue"'), NAMED),
            width=8,
            limits={float(QUEUE_AGE_S): BAD},
        ),
        graph(
            "Engine step, p99",
            "Time of one step of the engine (one llama_decode): the model's own part of every token.",
            SECONDS,
            Query(_p99("firsttoken_engine_step_duration_seconds", BY_MODEL, q.MODEL), NAMED),
            width=8,
        ),
        graph(
            "Client blocked, p99",
            "How long an answer waited for its client to read. High is a slow client or network: neither the"
            " gateway nor the model.",
            SECONDS,
            Query(_p99("firsttoken_client_blocked_duration_seconds", BY_MODEL, q.MODEL), NAMED),
            width=8,
        ),
        graph(
            "Contention for cores",
            "Share of time that an engine's threads waited for a core that others used: the machine's fault,"
            " not the model's.",
            SHARE,
            Query(f"max by ({BY_MODEL}) (firsttoken_engine_contention_ratio{{{q.MODEL}}})", NAMED),
            width=8,
            maximum=1,
        ),
    ],
)

CAPACITY = Section(
    "Capacity",
    [
        graph(
            "Busy slots",
            "Share of the slots that hold a request. At 1 for long, requests wait.",
            SHARE,
            Query(f"{q.total(SLOTS, BY_MODEL, scope=BUSY)} / ({q.total(SLOTS, BY_MODEL)} > 0)", NAMED),
            width=8,
            maximum=1,
        ),
        graph(
            "KV headroom",
            f"Share of the KV cells that is free. The alert fires below {1 - KV_SHARE:.0%}.",
            SHARE,
            Query(f"1 - {q.total(KV, BY_MODEL)} / ({q.total(KV_LIMIT, BY_MODEL)} > 0)", NAMED),
            width=8,
            maximum=1,
        ),
        graph(
            "Predicted wait",
            "Until the next first token of those who wait for one, as the gateway predicts it; 0 while nobody"
            " waits.",
            SECONDS,
            Query(f"max by ({BY_MODEL}) (firsttoken_queue_predicted_wait_seconds{{{q.MODEL}}})", NAMED),
            width=8,
        ),
        graph(
            "Arrivals and service",
            "Requests that come and requests that end, per second. Arrivals above service for long means that"
            " the queue grows.",
            RATE,
            Query(q.rate("firsttoken_requests_arrived_total"), "arrivals"),
            Query(q.rate(q.REQUESTS), "service"),
        ),
        graph(
            "Goodput",
            f"Share of the requests that met both objectives: the first token within {TTFT_S:g} s (or as"
            " `slo.*` says) and the tokens after it in time.",
            SHARE,
            Query(
                f"{q.rate('firsttoken_requests_good_total', BY_MODEL)}"
                f" / ({q.rate(q.REQUESTS, BY_MODEL, scope=q.with_(q.MODEL, q.COUNTED))} > 0)",
                NAMED,
            ),
            maximum=1,
        ),
    ],
)
