"""The registration of the Latency page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.latency.context import LatencyContext
from dashboard.pages.latency.view import LatencyView

LATENCY = Page(
    key="latency",
    title="Latency",
    path="/latency",
    about=(
        "TTFT, inter-token latency, output rate, prompt rate and queue time by prompt size (of times p50, "
        "p95, p99, of rates p50, p5, p95: the slow side of a rate is p5): the figures of `/api/stats`; "
        "where the time of a mean request goes, over time and by prompt size; a map of TTFT or output rate "
        "by prompt size and time. Figures lead to the requests behind them"
    ),
    folder=Path(__file__).parent,
    context=LatencyContext,
    view=LatencyView.from_query,
    parameters=("window", "model", "heat"),
    blocks=("store_note", "figures", "by_context", "phases", "heat_map"),
)
