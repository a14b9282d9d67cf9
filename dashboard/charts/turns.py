"""A conversation's turns as charts: one column per turn, and nothing where nothing was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dashboard.charts.geometry import columns, scale_top
from dashboard.charts.over_time import Scale, TimeChart, any_measured, hints
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
    shares = {
        "cached_share": ("Prompt from the cache", [cached_share(turn) for turn in turns]),
        "fill": ("Context fill", [context_fill(turn) for turn in turns]),
    }
    first = Scale("p50", "Time to first token", scale_top(ttft), formats.axis_ms)
    charts = [_chart(first, turns, ttft, formats.milliseconds)]
    for key, (title, values) in shares.items():
        scale = Scale(key, title, 100.0, lambda value: f"{value:g}%")
        charts.append(_chart(scale, turns, values, _percent))
    return tuple(charts)


def _percent(value: float | None) -> str:
    return formats.percent(value, 100)


def _chart(
    scale: Scale,
    turns: Sequence[TurnRow],
    values: Sequence[float | None],
    form: Callable[[float | None], str],
) -> TimeChart:
    told = [f"turn {turn.number}: {form(value)}" for turn, value in zip(turns, values, strict=True)]
    first, last = f"turn {turns[0].number}", f"turn {turns[-1].number}"
    heights = [value or 0.0 for value in values]
    return TimeChart(
        key=f"turns-{scale.key}",
        title=scale.title,
        summary=f"{scale.title}, {first} to {last}; latest: {form(values[-1])}",
        top=scale.label(scale.top),
        middle=scale.label(scale.top / 2),
        start=first,
        end=last,
        columns=(columns(scale.key, scale.title.lower(), heights, scale.top),),
        lines=(),
        notes=hints(told),
        measured=any_measured(values),
    )
