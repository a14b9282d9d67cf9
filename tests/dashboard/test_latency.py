"""The Latency page: its figures are those of `/api/stats`, its stacks add up, and its links find the
requests.
"""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from dashboard.charts.stacks import share_bars, stack_chart
from dashboard.words import formats
from telemetry.context_buckets import ContextBuckets
from telemetry.store.queries import groups, statistics
from telemetry.store.queries.phases import PhaseMeans
from telemetry.store.queries.report import report
from telemetry.store.queries.statistics import Percentiles
from telemetry.store.queries.windows import WINDOWS, By
from telemetry.store.rollup_models import RollupRow, SeriesRow
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import MODEL, NOW, row

NOW_S = NOW.timestamp()


def cells(page: str) -> list[list[str]]:
    """The text of the table by prompt size, row by row."""
    body = page[page.index('class="latency"') :]
    body = body[body.index("<tbody>") : body.index("</tbody>")]
    lines = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [
            re.sub(r"<[^>]+>", "", cell).strip()
            for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line, re.DOTALL)
        ]
        for line in lines
    ]


@pytest.mark.parametrize("window", WINDOWS)
def test_the_table_shows_what_the_api_reports(busy: Pages, window: str) -> None:
    """Every percentile of every row, in the API's order: of times the slow side is p95 and p99, of rates
    it is p5.
    """
    rows = busy.run(
        report(busy.site.engine, WINDOWS[window], By.CONTEXT, NOW_S, buckets=ContextBuckets().labels)
    )
    shown = cells(busy.get(f"/latency?window={window}").text)
    assert [line[0] for line in shown] == [found.group for found in rows]
    for line, found in zip(shown, rows, strict=True):
        spreads = [
            (found.ttft_ms, formats.milliseconds),
            (found.inter_token_ms, formats.milliseconds),
            (found.output_rate, formats.rate),
        ]
        spreads += [(found.prompt_rate, formats.rate), (found.queue_ms, formats.milliseconds)]
        assert line[1:] == [
            f"{found.requests:,}",
            *(form(value) for spread, form in spreads for value in _sides(spread, rate=form is formats.rate)),
        ]


def _sides(spread: Percentiles, *, rate: bool) -> tuple[float | None, ...]:
    return (spread.p50, spread.p5, spread.p95) if rate else (spread.p50, spread.p95, spread.p99)


@pytest.mark.parametrize("window", WINDOWS)
def test_the_figures_of_all_sizes_together_are_those_of_the_overview(busy: Pages, window: str) -> None:
    """Merged from the groups' histograms, not averaged: what one query over everything gives."""
    engine = busy.site.engine
    _, together = busy.run(groups.by_context_and_together(engine, WINDOWS[window], NOW_S))
    assert together == busy.run(statistics.percentiles(engine, WINDOWS[window], NOW_S))
    assert together == busy.run(groups.by_context_and_together(engine, WINDOWS[window], NOW_S, MODEL))[1]


def test_what_was_not_measured_is_told(busy: Pages) -> None:
    """A bucket with counted requests and no histogram has words, not numbers."""

    async def fill() -> None:
        async with AsyncSession(busy.site.engine) as session:
            session.add(SeriesRow(id=77, model="quiet", engine_config_id="", context_bucket="128k+"))
            session.add(
                RollupRow(
                    minute=int(NOW_S) // 60,
                    series_id=77,
                    requests=1,
                    errors=1,
                    cancelled=0,
                    prompt_tokens=0,
                    cached_tokens=0,
                    completion_tokens=0,
                )
            )
            await session.commit()

    busy.run(fill())
    page = busy.get("/latency?model=quiet").text
    assert cells(page) == [["128k+", "1", *["not measured"] * 5]]
    assert "times by phase are recorded from this version on" in page
    assert MODEL in cells(busy.get("/latency").text)[-1]


def test_links_find_the_requests_behind_a_row(busy: Pages) -> None:
    """The number of requests leads to the list of that model, bucket and window."""
    page = busy.get("/latency?window=1h").text
    links = [html.unescape(link) for link in re.findall(r'href="(/dashboard/requests\?[^"]+)"', page)]
    assert f"/dashboard/requests?model={MODEL}&context=512-1k&since=2026-11-23T03%3A47" in links

    async def fill() -> None:
        async with AsyncSession(busy.site.engine) as session:
            session.add(row(NOW, 900, id="long-one", context_bucket="4k-8k", engine_config_id=None))
            await session.commit()

    busy.run(fill())
    listed = busy.get(f"/requests?model={MODEL}&context=4k-8k").text
    assert "long-one" in listed
    assert listed.count('id="request-') == 1


def test_cells_of_the_map_lead_to_their_stretch_of_time(busy: Pages) -> None:
    """Each coloured cell has a link whose bounds are one step apart, inside the window's last step."""
    page = busy.get("/latency?window=1h&heat=rate").text
    assert "Output rate, p50 in tokens/s" in page
    found = re.findall(r"context=([^&]+)&amp;since=([^&]+)&amp;until=([^\"]+)\" tabindex", page)
    assert found
    lengths = {
        datetime.fromisoformat(until.replace("%3A", ":")) - datetime.fromisoformat(since.replace("%3A", ":"))
        for _, since, until in found
    }
    assert {length.total_seconds() for length in lengths} == {300}
    assert (
        max(datetime.fromisoformat(until.replace("%3A", ":")).replace(tzinfo=UTC) for *_, until in found)
        > NOW
    )


def test_stacks_are_as_high_as_the_request_was_long(busy: Pages) -> None:
    """Shares of a line and parts of a column add up; the page names each phase that took time, and no
    other.
    """
    means = PhaseMeans(4, {"queue": 30.0, "prefill": 60.0, "decode": 110.0, "unaccounted": 0.0})
    bars = share_bars(means)
    assert [bar.kind for bar in bars] == ["queue", "prefill", "decode"]
    assert sum(bar.width for bar in bars) == pytest.approx(100)
    assert bars[1].x == pytest.approx(bars[0].width)
    chart = stack_chart(("04:00", "04:01"), [None, means])
    assert chart is not None
    assert chart.columns[0].parts == ()
    assert "no requests" in chart.columns[0].note
    assert [sum(part[2] for part in column.parts) for column in chart.columns] == pytest.approx([0, 100])
    assert min(y for _, y, _ in chart.columns[1].parts) == pytest.approx(0)
    assert stack_chart(("04:00",), [None]) is None
    page = busy.get("/latency?window=1h").text
    assert "Where the time of a request goes" in page
    assert "cache restore" in page
    assert "model load" not in page


def test_a_window_keeps_the_model(busy: Pages) -> None:
    """Choosing another window keeps model and map, also while the page follows along."""
    page = busy.get(f"/latency?model={MODEL}&heat=rate").text
    assert f'href="/dashboard/latency?window=7d&amp;model={MODEL}&amp;heat=rate"' in page
    assert f"view=latency&amp;window=24h&amp;model={MODEL}&amp;heat=rate" in page
