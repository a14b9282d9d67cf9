"""A conversation's turns as charts: one column per turn, and nothing where nothing was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dashboard.charts.geometry import Bar, columns, scale_top
from dashboard.charts.over_time import TimeChart
from dashboard.pages.conversation.context import TurnRow
from dashboard.words import formats


def cached_share(turn: TurnRow) -> float | None:
    """Per cent of the prompt that came from the prefix cache."""
    prompt, cached = turn.row.prompt_tokens, turn.row.cached_tokens
    return None if not prompt or cached is None else cached / prompt * 100


def context_fill(turn: TurnRow) -> float | None:
    """Per cent of the context that prompt and answer took."""
    return None if turn.used is None or not turn.n_ctx else turn.used / turn.n_ctx * 100


def turn_charts(turns: Sequence[TurnRow]) -> tuple[TimeChart, ...]:
    """Time to first token, cached share and context fill; none without turns."""
    if not turns:
        return ()
    ttft = [turn.row.ttft_ms for turn in turns]
    shares = (
        ("cached_share", "Prompt from the cache", [cached_share(turn) for turn in turns]),
        ("fill", "Context fill", [context_fill(turn) for turn in turns]),
    )
    return (
        _chart("p50", "Time to first token", turns, ttft, scale_top(ttft), formats.milliseconds, formats.axis_ms),
        *(_chart(key, title, turns, values, 100.0, _percent, lambda v: f"{v:g}%") for key, title, values in shares),
    )


def _percent(value: float | None) -> str:
    return formats.percent(value, 100)


def _chart(
    key: str,
    title: str,
    turns: Sequence[TurnRow],
    values: Sequence[float | None],
    top: float,
    form: Callable[[float | None], str],
    label: Callable[[float], str],
) -> TimeChart:
    width = 100 / len(turns)
    notes = tuple(
        Bar(round(i * width, 4), round(width, 4), f"turn {turn.number}: {form(value)}")
        for i, (turn, value) in enumerate(zip(turns, values, strict=True))
    )
    first, last = f"turn {turns[0].number}", f"turn {turns[-1].number}"
    summary = f"{title}, {first} to {last}; latest: {form(values[-1])}"
    bars = (columns(key, title.lower(), [value or 0.0 for value in values], top),)
    measured = any(value is not None for value in values)
    return TimeChart(f"turns-{key}", title, summary, label(top), label(top / 2), first, last, bars, (), notes, measured)
