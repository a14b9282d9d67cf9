"""Two hundred real requests, and every surface tells the same of them: SQL, roll-ups, `/metrics`, the
Overview.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from dashboard.words import formats
from telemetry.events import Phase
from telemetry.histogram import bucket_of
from telemetry.store import phases
from telemetry.store.engine import create_reader
from telemetry.store.queries import groups, statistics
from telemetry.store.queries.groups import Group
from telemetry.store.queries.statistics import MeasurePercentiles, Totals
from telemetry.store.queries.windows import WINDOWS
from telemetry.store.rollups.measures import Measure
from tests.e2e.pages import cards, page
from tests.e2e.serving import MODEL, Served, frames, until

SENTENCE = "The fox runs over the hill and the dog sleeps. "
BRIEF = {"role": "system", "content": "Answer."}
"""In place of the template's own system message, which is 25 tokens long."""
SIZES = (*[0] * 178, *[6] * 10, *[24] * 3, 86)
"""Sentences in the prompt of each request that is answered: prompts in all four context buckets."""
INVALID: tuple[dict[str, Any], ...] = (
    {"model": "nope"},
    {"temperature": 9},
    {"max_tokens": 0},
    {"messages": []},
    {"messages": [{"role": "wizard", "content": "x"}]},
    {"messages": [{"role": "user", "content": SENTENCE * 300}]},
    {"stop": [""]},
)
"""Changes to a good body that make it a bad one; the sixth is too long for the context."""
REQUESTS = len(SIZES) + len(INVALID) + 1


@dataclass(frozen=True, slots=True)
class Surfaces:
    """What each surface said after the load, read at one moment."""

    rows: list[dict[str, Any]]
    phases: dict[int, phases.StoredPhases]
    totals: Totals
    spreads: MeasurePercentiles
    groups: list[Group]
    samples: list[Sample]
    page: dict[str, dict[str, str]]
    page_after_restart: dict[str, dict[str, str]]

    def answered(self) -> list[float]:
        """The measured TTFTs in ms, sorted."""
        return sorted(row["ttft_ms"] for row in self.rows if row["ttft_ms"] is not None)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all series of a metric that have these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def overview(served: Served) -> dict[str, dict[str, str]]:
    """The figures on the Overview of all time."""
    return cards(page(served, "", window="all"))


def load(served: Served) -> None:
    """Send everything, eight at a time, sizes mixed; every third answer is streamed, one client goes away."""
    with httpx.Client(base_url=served.base_url, timeout=120) as client, ThreadPoolExecutor(8) as pool:

        def ask(index: int, sentences: int) -> int:
            content = f"{index}. {SENTENCE * sentences}"
            body = {
                "model": MODEL,
                "messages": [{"role": "user", "content": content}],
                "max_tokens": 1 + index % 8,
                "stream": index % 3 == 0,
            }
            return client.post("/v1/chat/completions", json=body).status_code

        def spoil(change: dict[str, Any]) -> int:
            good = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
            return client.post("/v1/chat/completions", json=good | change).status_code

        def leave() -> int:
            with served.stream(request_id="left") as response:
                next(frames(response))
            return 499

        order = sorted(enumerate(SIZES), key=lambda pair: pair[0] * 79 % len(SIZES))
        good = [pool.submit(ask, index, sentences) for index, sentences in order]
        bad = [pool.submit(spoil, change) for change in INVALID]
        left = pool.submit(leave)
        assert {job.result() for job in good} == {200}
        assert Counter(job.result() for job in bad) == {400: len(INVALID) - 1, 404: 1}
        assert left.result() == 499


async def rolled_up(served: Served) -> tuple[Totals, MeasurePercentiles, list[Group]]:
    """The roll-ups of all time, as the dashboard reads them."""
    reader = create_reader(f"sqlite:///{served.home / 'firsttoken.db'}")
    try:
        window, now_s = WINDOWS["all"], time.time()
        return (
            await statistics.totals(reader, window, now_s),
            await statistics.percentiles(reader, window, now_s),
            await groups.by_context(reader, window, now_s),
        )
    finally:
        await reader.dispose()


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surfaces]:
    """A fresh gateway, the load, and all surfaces; the dashboard once more after a restart."""
    flags = ("--engine-n-ctx", "2048", "--telemetry-context-buckets", "64,256,1024")
    home = tmp_path_factory.mktemp("agreement")
    served, again = Served(home, *flags), Served(home, *flags)
    try:
        load(served.start())
        until(
            lambda: len(served.rows("SELECT 1 FROM requests WHERE status <> 'running'")) == REQUESTS,
            20,
            "all rows",
        )
        stored = {
            row["seq"]: phases.decode(row["phases"]) for row in served.rows("SELECT * FROM request_phases")
        }
        text = httpx.get(f"{served.base_url}/metrics").text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        shown = overview(served)
        assert served.stop() == 0
        page_after = overview(again.start())
        yield Surfaces(served.rows(), stored, *asyncio.run(rolled_up(served)), samples, shown, page_after)
    finally:
        served.kill()
        again.kill()


def nearest_rank(ordered: list[float], q: float) -> float:
    """The definition that the roll-ups use."""
    return ordered[max(1, math.ceil(q * len(ordered))) - 1]


def test_every_request_is_counted_once_everywhere(surfaces: Surfaces) -> None:
    """Requests, errors and cancelled ones: 200 in all, the same numbers on each surface."""
    statuses = Counter(row["status"] for row in surfaces.rows)
    assert statuses == {"ok": len(SIZES), "error": len(INVALID), "cancelled": 1}
    assert sum(statuses.values()) == REQUESTS == 200
    totals = surfaces.totals
    assert (totals.requests, totals.errors, totals.cancelled) == (REQUESTS, len(INVALID), 1)
    duration = "gen_ai_server_request_duration_seconds_count"
    assert surfaces.metric(duration) == REQUESTS
    assert surfaces.metric(duration, error_type="") == len(SIZES)
    assert surfaces.metric(duration, error_type="client_disconnect") == 1
    posts = surfaces.metric("http_server_request_duration_seconds_count", http_route="/v1/chat/completions")
    assert posts == REQUESTS
    card = surfaces.page["Requests"]
    assert card["big"] == str(REQUESTS)
    assert re.findall(r"\d+ errors|\d+ cancelled", card["hint"]) == [f"{len(INVALID)} errors", "1 cancelled"]


def test_tokens_agree(surfaces: Surfaces) -> None:
    """Prompt, cached and completion tokens sum to the same figures on each surface."""
    columns = ("prompt_tokens", "cached_tokens", "completion_tokens")
    in_sql = tuple(sum(row[name] or 0 for row in surfaces.rows) for name in columns)
    assert tuple(getattr(surfaces.totals, name) for name in columns) == in_sql
    usage = "gen_ai_client_inference_usage"
    counters = (
        f"{usage}_input_tokens_total",
        f"{usage}_cache_read_input_tokens_total",
        f"{usage}_output_tokens_total",
    )
    assert tuple(surfaces.metric(name) for name in counters) == in_sql
    card = surfaces.page["Tokens"]
    assert tuple(card[term] for term in ("in", "cached", "out")) == tuple(
        formats.count(tokens) for tokens in in_sql
    )
    limits = sum(1 + index % 8 for index in range(len(SIZES)))
    cancelled = sum(row["completion_tokens"] for row in surfaces.rows if row["status"] == "cancelled")
    assert len(SIZES) <= in_sql[2] - cancelled <= limits


def test_median_ttft_agrees(surfaces: Surfaces) -> None:
    """The median TTFT is that of the rows: in the same bucket of the roll-ups, in the right one of
    /metrics, and on the page.
    """
    exact_ms = nearest_rank(surfaces.answered(), 0.5)
    spread = surfaces.spreads[Measure.TTFT]
    assert spread.count == len(surfaces.answered())
    assert spread.p50 is not None
    assert bucket_of(spread.p50 * 1e3) == bucket_of(exact_ms * 1e3)
    assert surfaces.page["Time to first token"]["p50"] == formats.milliseconds(spread.p50)
    for name in ("gen_ai_server_time_to_first_token_seconds", "firsttoken_ttft_by_context_seconds"):
        assert surfaces.metric(f"{name}_count") == spread.count
        edges = sorted(
            {sample.labels["le"] for sample in surfaces.samples if sample.name == f"{name}_bucket"}, key=float
        )
        edge = next(le for le in edges if surfaces.metric(f"{name}_bucket", le=le) >= spread.count / 2)
        below = max((float(le) for le in edges if float(le) < float(edge)), default=0.0)
        assert below < exact_ms / 1e3 <= float(edge)


def test_context_buckets_agree(surfaces: Surfaces) -> None:
    """Per context bucket: counts, TTFT median and output rates of the rows are those of the roll-ups and
    of /metrics.
    """
    groups = {group.part: group for group in surfaces.groups if group.model == MODEL}
    for bucket in ("0-64", "64-256", "256-1k", "1k+"):
        rows = [row for row in surfaces.rows if row["context_bucket"] == bucket]
        ttfts = sorted(row["ttft_ms"] for row in rows if row["ttft_ms"] is not None)
        rates = [row for row in rows if row["decode_tps"] is not None]
        group = groups[bucket]
        assert ttfts
        assert (group.totals.requests, group.totals.prompt_tokens) == (
            len(rows),
            sum(row["prompt_tokens"] for row in rows),
        )
        assert bucket_of((group.percentiles(Measure.TTFT).p50 or 0) * 1e3) == bucket_of(
            nearest_rank(ttfts, 0.5) * 1e3
        )
        assert group.percentiles(Measure.OUTPUT_RATE).count == len(rates)
        assert surfaces.metric("firsttoken_ttft_by_context_seconds_count", context_bucket=bucket) == len(
            ttfts
        )
        assert surfaces.metric("firsttoken_output_rate_per_second_count", context_bucket=bucket) == len(rates)


def test_overview_survives_a_restart(surfaces: Surfaces) -> None:
    """The Overview of all time says the same after the gateway was stopped and started again."""
    assert surfaces.page_after_restart == surfaces.page


def test_the_waterfall_of_every_request_adds_up(surfaces: Surfaces) -> None:
    """Phases cover the wall time of each of the 200 requests but for at most 2 ms or 2 %; each row's
    figures are its phases'.
    """
    assert surfaces.phases.keys() == {row["seq"] for row in surfaces.rows}
    for row in surfaces.rows:
        stored = surfaces.phases[row["seq"]]
        story = f"{row} {stored}"
        assert 0 <= row["unaccounted_ms"] <= max(2, 0.02 * row["total_ms"]), story
        covered = reached = 0
        for phase in sorted(stored.phases, key=lambda phase: phase.start_us):
            begin, end = max(phase.start_us, reached), min(phase.end_us, stored.total_us)
            covered, reached = covered + max(0, end - begin), max(reached, end)
        assert (stored.total_us - covered) / 1e3 == pytest.approx(row["unaccounted_ms"], abs=0.02), story
        assert stored.total_us / 1e3 == pytest.approx(row["total_ms"], abs=0.001)
        lasted = {phase.phase: (phase.end_us - phase.start_us) / 1e3 for phase in stored.phases}
        for name in (Phase.QUEUE, Phase.TOKENIZE, Phase.PREFILL, Phase.DECODE):
            assert lasted.get(name) == pytest.approx(row[f"{name}_ms"], abs=0.002), story
