"""`/metrics` as Prometheus sees it: the linter, the OpenMetrics parser, and a real server that scrapes and
answers.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.e2e.prometheus import prometheus, query
from tests.e2e.serving import Served, until

OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}
P95 = (
    "histogram_quantile(0.95, sum by (le, context_bucket)"
    " (rate(firsttoken_ttft_by_context_seconds_bucket[1m])))"
)


def test_promtool_finds_nothing(served: Served) -> None:
    """The classic text passes `promtool check metrics` after real requests, errors included."""
    served.chat(max_tokens=4)
    served.chat(max_tokens=4, temperature=99)
    text = httpx.get(f"{served.base_url}/metrics").text
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_openmetrics_has_exemplars_with_trace_ids(served: Served) -> None:
    """Whoever accepts OpenMetrics gets it, with an exemplar whose trace is that of a recorded request."""
    answer = served.chat(max_tokens=4)
    text = httpx.get(f"{served.base_url}/metrics", headers=OPENMETRICS).text
    traces = {
        sample.exemplar.labels["trace_id"]
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # the library's has no types
        if family.name == "firsttoken_ttft_by_context_seconds"
        for sample in family.samples
        if sample.exemplar
    }
    assert served.row(answer.headers["x-request-id"])["trace_id"] in traces


def test_prometheus_answers_p95_by_context_bucket(served: Served, tmp_path: Path) -> None:
    """A real Prometheus scrapes the gateway and gives a p95 TTFT for each context bucket that had traffic."""
    with prometheus(tmp_path, served.port) as url:
        until(lambda: [row for row in query(url, "up") if row["value"][1] == "1"], 20, "a scrape")

        def answered() -> dict[str, float]:
            served.chat(max_tokens=2)
            served.chat("Tell me about the number seven. " * 80, max_tokens=2)
            found = {row["metric"]["context_bucket"]: float(row["value"][1]) for row in query(url, P95)}
            return (
                found
                if {"0-512", "512-1k"} <= {bucket for bucket, value in found.items() if value > 0}
                else {}
            )

        p95_s = until(answered, 60, "an answer to the query")
        assert p95_s["0-512"] < p95_s["512-1k"]
        (up,) = query(url, "scrape_samples_scraped")
        assert float(up["value"][1]) > 100
