"""Section *Energy* of the dashboard *Engine & cache*: power, and what an output token takes of it."""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.board import Section
from grafana.sources.panels import JOULES, WATTS, Query, graph

JOULES_USED = "firsttoken_energy_joules_total"
ACTIVE = q.rate(JOULES_USED, scope=f'{q.GATEWAY},state="active"')

ENERGY = Section(
    "Energy (there is nothing here where neither RAPL nor NVML can be read)",
    [
        graph(
            "Power",
            "Power of CPU packages and GPUs, whatever runs on them: active while requests were computed, idle"
            " otherwise.",
            WATTS,
            Query(q.rate(JOULES_USED, "state", scope=q.GATEWAY), "{{state}}"),
            stacked=True,
        ),
        graph(
            "Energy per output token",
            "Energy used while requests were computed, prefill included, per token of their answers.",
            JOULES,
            Query(
                f"{ACTIVE} / {q.rate('gen_ai_client_inference_usage_output_tokens_total', scope=q.GATEWAY)}",
                "per output token",
            ),
        ),
    ],
)
