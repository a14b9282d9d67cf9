"""Dashboard *Engine & cache*: what the engines do, how full they are, and what the prefix cache saves."""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.board import Board, Section
from grafana.sources.capacity import CAPACITY
from grafana.sources.energy import ENERGY
from grafana.sources.objectives import KV_SHARE, QUEUE_AGE_S
from grafana.sources.panels import (
    BAD,
    BYTES,
    COUNT,
    SECONDS,
    SHARE,
    STATE_COLOURS,
    TOKENS_PER_S,
    Query,
    graph,
    heat,
)

STEP = "firsttoken_engine_step_duration_seconds"
TOKENS, TIME = "firsttoken_engine_tokens_total", "firsttoken_engine_time_seconds_total"
QUERIES, HITS = "firsttoken_prefix_cache_queries_total", "firsttoken_prefix_cache_hits_total"
DRAFTS, ACCEPTED = "firsttoken_draft_tokens_total", f'{q.MODEL},state="accepted"'
NAMED = "{{gen_ai_request_model}}"
BY_MODEL = "gen_ai_request_model"
COMPUTED = f'{q.MODEL},phase=~"prefill|decode"'


def _tokens(phase: str) -> str:
    return q.rate(TOKENS, scope=f'{q.MODEL},phase="{phase}"')


SLOTS = Section(
    "Slots and queue",
    [
        graph(
            "Slots",
            "Sequences that the engines can decode at once, by what they do.",
            COUNT,
            Query(q.total("firsttoken_engine_slots", "state"), "{{state}}"),
            stacked=True,
            colours=STATE_COLOURS,
        ),
        graph(
            "Waiting requests",
            "Requests that wait for a slot, by model.",
            COUNT,
            Query(q.total("firsttoken_queue_depth", BY_MODEL), NAMED),
        ),
        graph(
            "Oldest waiting request",
            f"How long the request that waits longest has waited. The alert line is {QUEUE_AGE_S} s.",
            SECONDS,
            Query(f"max by ({BY_MODEL}) (firsttoken_queue_oldest_age_seconds{{{q.MODEL}}})", NAMED),
            limits={float(QUEUE_AGE_S): BAD},
        ),
        graph(
            "Time lost to others",
            "Seconds per second that requests lost to other requests, by cause: slots that they held, prompts"
            " in shared steps (estimated), prefixes that both have, states that were read back, turns of"
            " other adapters, and loads of models. Which request it was is on our request page.",
            SECONDS,
            Query(q.rate("firsttoken_delay_time_seconds_total", "cause"), "{{cause}}"),
            stacked=True,
        ),
        graph(
            "Threads",
            "CPU threads that the engines compute with now. Fewer than usual: other programs or other engines"
            " of this gateway use the cores.",
            COUNT,
            Query(q.total("firsttoken_engine_threads", BY_MODEL), NAMED),
        ),
        graph(
            "Time without a core",
            "Share of time that the engines' threads were ready and waited for a core that other programs"
            " used.",
            SHARE,
            Query(f"max by ({BY_MODEL}) (firsttoken_engine_contention_ratio{{{q.MODEL}}})", NAMED),
            maximum=1,
        ),
        graph(
            "KV in use",
            f"Share of the KV cells in use. The alert line is {KV_SHARE:.0%}.",
            SHARE,
            Query(
                f"{q.total('firsttoken_kv_cache_usage', BY_MODEL)} /"
                f" ({q.total('firsttoken_kv_cache_limit', BY_MODEL)} > 0)",
                NAMED,
            ),
            maximum=1,
            limits={KV_SHARE: BAD},
        ),
    ],
)

STEPS = Section(
    "Steps",
    [
        graph(
            "Engine speed",
            "Tokens per second while the engine worked on that phase: tokens ÷ time of the steps that held"
            " them. A mixed step counts for both. Guesses that were accepted are tokens, those that were"
            " rejected are time only.",
            TOKENS_PER_S,
            Query(
                f"{q.rate(TOKENS, 'phase', scope=COMPUTED)} / {q.rate(TIME, 'phase', scope=COMPUTED)}",
                "{{phase}}",
            ),
        ),
        graph(
            "Engine tokens",
            "Tokens per second that went through the engines, by phase; cached ones were not computed.",
            TOKENS_PER_S,
            Query(q.rate(TOKENS, "phase"), "{{phase}}"),
        ),
        graph(
            "Sequences in a step",
            "Mean and p95 of the sequences in one llama_decode: how much batching the traffic allows.",
            COUNT,
            Query(q.mean("firsttoken_engine_batch_sequences", BY_MODEL), f"{NAMED} mean"),
            Query(q.quantile(0.95, "firsttoken_engine_batch_sequences", BY_MODEL), f"{NAMED} p95"),
        ),
        heat(
            "Tokens in a step",
            "How many steps held how many tokens. Decode alone is a line at the number of sequences; prefill"
            " lies above it.",
            COUNT,
            q.buckets("firsttoken_engine_batch_tokens"),
        ),
        heat(
            "Step duration",
            "How long one llama_decode took. A second band is prefill beside decode.",
            SECONDS,
            q.buckets(STEP),
        ),
        graph(
            "Time in steps",
            "Share of the time that engines spend in steps with prefill or decode. Both of 1 means steps of"
            " both kinds, without a pause.",
            SHARE,
            Query(q.rate(TIME, f"{BY_MODEL}, phase", scope=COMPUTED), f"{NAMED} {{{{phase}}}}"),
        ),
    ],
)

CACHE = Section(
    "Prefix cache",
    [
        graph(
            "Hit share by tier",
            "Share of the prompt tokens that a tier supplied (kv, ram or disk), of requests that got their"
            " first token: the cached share.",
            SHARE,
            Query(
                f"{q.rate(HITS, 'source')} / ignoring (source) group_left () {q.rate(QUERIES)}", "{{source}}"
            ),
            stacked=True,
            maximum=1,
        ),
        graph(
            "Misses by reason",
            "Prompt tokens per second that were looked up and not supplied, by the reason that the lookup"
            " gave.",
            TOKENS_PER_S,
            Query(f"{q.rate(QUERIES, 'reason')} - {q.rate(HITS, 'reason')}", "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Evictions",
            "Tokens per second that the cache let go, by tier. Together with misses for `evicted` they say"
            " that it is too small.",
            TOKENS_PER_S,
            Query(q.rate("firsttoken_prefix_cache_evictions_total", "source"), "{{source}}"),
        ),
        graph(
            "Lost to what clients change",
            "Prompt tokens per second that were computed again because the client changed what came before"
            " them, by kind of client and what it changed.",
            TOKENS_PER_S,
            Query(q.rate("firsttoken_prefix_cache_lost_total", "client, reason"), "{{client}}: {{reason}}"),
            stacked=True,
        ),
        graph(
            "Cache size",
            "Bytes held by each tier of the prefix cache.",
            BYTES,
            Query(q.total("firsttoken_prefix_cache_bytes", "tier"), "{{tier}}"),
            stacked=True,
        ),
        graph(
            "Cached prefixes",
            "Entries in each tier of the prefix cache.",
            COUNT,
            Query(q.total("firsttoken_prefix_cache_entries", "tier"), "{{tier}}"),
            stacked=True,
        ),
        graph(
            "Failed restores and discarded files",
            "Cached states per second that could not be read back, and cache files that were of no use, by"
            " reason.",
            COUNT,
            Query(q.rate("firsttoken_prefix_cache_restore_failures_total"), "failed restores"),
            Query(q.rate("firsttoken_prefix_cache_discarded_total", "reason"), "{{reason}}"),
        ),
        graph(
            "TTFT prediction error",
            "How far the time to first token predicted at admission was off (p50): `over` came sooner,"
            " `under` later.",
            SECONDS,
            Query(q.quantile(0.5, "firsttoken_ttft_prediction_error_seconds", "direction"), "{{direction}}"),
        ),
        graph(
            "Draft tokens accepted",
            "Share of the drafted tokens that the model accepted (speculative decoding), of all and by who"
            " guessed: prompt lookup or a draft model.",
            SHARE,
            Query(f"{_tokens('accepted')} / {_tokens('draft')}", "accepted"),
            Query(f"{q.rate(DRAFTS, 'source', scope=ACCEPTED)} / {q.rate(DRAFTS, 'source')}", "{{source}}"),
            maximum=1,
        ),
    ],
)

PROCESSES = Section(
    "Engine processes",
    [
        graph(
            "Engines by state",
            "In which state each model's engine is. `failed` is given up: its requests get 503.",
            COUNT,
            Query(
                f"{q.total('firsttoken_engine_state', f'{BY_MODEL}, state')} > 0", f"{NAMED} {{{{state}}}}"
            ),
            stacked=True,
            width=24,
        ),
        graph(
            "Loads and restarts",
            "How often a model was loaded in the last 15 minutes after its first load (each is a restart), or"
            " given up (failed).",
            COUNT,
            Query(
                q.increase("firsttoken_model_loads_total", f"{BY_MODEL}, state", window="15m"),
                f"{NAMED} {{{{state}}}}",
            ),
            width=6,
        ),
        graph(
            "Load time",
            "Mean time to load a model since the gateway started.",
            SECONDS,
            Query(
                q.mean_since_start("firsttoken_model_load_duration_seconds", BY_MODEL),
                NAMED,
            ),
            width=6,
        ),
        graph(
            "Memory of engines",
            "Resident memory of each model's engine process, weights that are mapped from the file included.",
            BYTES,
            Query(q.total("firsttoken_model_memory_bytes", BY_MODEL), NAMED),
            width=6,
        ),
        graph(
            "Memory by part",
            "What the engines have allocated on all devices: weights, KV cache, compute buffers, and the RAM"
            " tier of the prefix cache.",
            BYTES,
            Query(
                q.total("firsttoken_model_memory_parts_bytes", f"{BY_MODEL}, part"), f"{NAMED} {{{{part}}}}"
            ),
            stacked=True,
            width=6,
        ),
    ],
)

ENGINE = Board(
    uid="firsttoken-engine",
    title="firsttoken: Engine & cache",
    description="What the engines are busy with, how full they are, and what the prefix cache saves.",
    sections=[CAPACITY, SLOTS, STEPS, CACHE, PROCESSES, ENERGY],
)
