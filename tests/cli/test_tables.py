"""Tables of every verb in a narrow terminal: a figure or a name is whole there, or it is no table."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.table import Table

from gateway.cli import cache, models, output, stats
from gateway.cli.output import console, show, table
from gateway.engine.cache.disk.folders import About, KeyFolder
from telemetry.store.queries import report
from telemetry.store.queries.report import ReportRow
from telemetry.store.queries.statistics import Percentiles
from telemetry.store.queries.windows import By, window_of
from tests.engine.cache.caches import KEY

LONG = "a-model-with-a-very-long-name-indeed-70b-instruct-q4_k_m-和漢字の名前"
WIDE = Percentiles(count=10**9, p50=75_107.4, p95=119_999.9, p99=1_234_567.8, p5=12_345.6)
WIDTHS = [40, 60, 80, 120, 200]


def row(model: str = LONG, group: str = "64k-128k") -> ReportRow:
    return replace(
        report._row(report.EMPTY),
        model=model,
        group=group,
        requests=1_234_567_890,
        errors=12_345_678,
        cached_share=0.99,
        queue_ms=WIDE,
        ttft_ms=WIDE,
        prompt_rate=WIDE,
        output_rate=WIDE,
        inter_token_ms=WIDE,
    )


def show_stats() -> list[str]:
    stats._print([row(), row(group="0-512")], window_of("all"), By.CONTEXT, None)
    return [
        LONG,
        "1,234,567,890",
        "12,345,678",
        "99%",
        "75,107",
        "120,000",
        "64k-128k",
        "TTFT",
        "inter-token",
        "t/s",
    ]


def show_cache() -> list[str]:
    folder = KeyFolder(
        Path("/x") / ("0123456789abcdef" * 3), About(KEY, LONG), 1_234_567, 10**15, time.time(), in_use=False
    )
    cache._print([folder], [])
    return [LONG, folder.name, "1,234,567", "909.5 TiB", KEY.build, "f16/f16, 8 streams", "(foreign)"]


def show_models() -> list[str]:
    path = f"/home/somebody/models/{'deep/' * 12}{LONG}.gguf"
    digest = "sha256:" + "0123456789abcdef" * 4
    models._print(
        [{"reference": path, "size_bytes": 10**13, "path": path, "problem": None, "digest": digest}],
        with_digest=True,
    )
    return [path, "9.1 TiB", digest]


def show_tuning() -> list[str]:
    columns = [
        "flash_attention",
        "kv_unified",
        "threads",
        "threads_batch",
        "prompt ms/token",
        "answer ms/token",
    ]
    grid = table(*columns)
    grid.add_row("enabled", "false", "128", "256", "12345.678", "98765.43")
    show(grid)
    return [*columns, "enabled", "12345.678", "98765.43"]


def show_counts() -> list[str]:
    grid = table("table", "rows", figures=["rows"])
    grid.add_row("long_rollup_histograms" * 3, "12,345,678,901")
    show(grid)
    return ["long_rollup_histograms" * 3, "12,345,678,901"]


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize(
    "shown", [show_stats, show_cache, show_models, show_tuning, show_counts], ids=lambda shown: shown.__name__
)
def test_everything_is_whole(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shown: Callable[[], list[str]],
    columns: int,
) -> None:
    """Each value stands there as one piece, nothing is replaced by an ellipsis, and a table is no wider
    than the terminal.
    """
    monkeypatch.setattr(console, "_width", columns)
    wanted = shown()
    text = capsys.readouterr().out
    assert [value for value in wanted if value not in text] == []
    assert "…" not in text
    lines = [line.rstrip() for line in text.splitlines()]
    too_wide = [line for line in lines if cell_len(line) > columns]
    assert all(any(value in line for value in wanted) for line in too_wide), (
        "only a value that has no room at all wraps"
    )
    assert columns < 60 or len(too_wide) <= 6


def test_the_widest_layout_that_fits_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside each other, below each other, in two tables, and at last a line for each value."""
    heads = {}
    for columns in (200, 100, 70, 40):
        monkeypatch.setattr(console, "_width", columns)
        show_stats()
        heads[columns] = capsys.readouterr().out
    assert "75,107 / 120,000" in heads[200]
    assert ("p50" in heads[100], "75,107 / 120,000" in heads[100]) == (True, False)
    assert heads[70].count("context") == 2
    assert heads[40].count("TTFT ms p50 / p95") == 2


def test_markup_in_a_name_is_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In every layout: a model may be called `[red]`."""
    for columns in WIDTHS:
        monkeypatch.setattr(console, "_width", columns)
        stats._print([row(model="[red]x[/red]", group="[b]")], window_of("all"), By.CONFIG, None)
        text = capsys.readouterr().out
        assert "[red]x[/red]" in text
        assert "[b]" in text


def test_tables_are_printed_by_one_function() -> None:
    """No verb prints a table past `show` (settings has prose in it, and looks at the width itself)."""
    folder = Path(output.__file__).parent
    past = [
        path.name for path in folder.glob("*.py") if "console.print(grid" in path.read_text(encoding="utf-8")
    ]
    assert past == ["settings_cmd.py"]
    assert isinstance(table("a"), Table)
