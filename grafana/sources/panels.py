"""The kinds of panel: each has a title, a description, a unit and a legend; looks are decided here and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = Builder[model.Panel]

PROMETHEUS = looks.DataSourceRef("prometheus", "${prometheus}")

RATE, TOKENS_PER_S, SHARE = "reqps", "suffix: tok/s", "percentunit"
SECONDS, BYTES, COUNT = "s", "bytes", "short"
WATTS, JOULES = "watt", "joule"
"""Units: requests per second, tokens per second, a share of 1, seconds, bytes, a plain number; power and
energy.
"""

GOOD, NOTE, WARN, BAD = "green", "yellow", "orange", "red"

PHASE_COLOURS = {
    "admit": "#8AB8FF",
    "render": "#C0D8FF",
    "tokenize": "#5794F2",
    "cache_lookup": "#B877D9",
    "cache_restore": "#8F3BB8",
    "model_load": "#FADE2A",
    "queue": "#FF9830",
    "prefill": "#1F60C4",
    "decode": "#56A64B",
    "stream": "#96D98D",
}
STATE_COLOURS = {"idle": "#6E6E6E", "prefill": PHASE_COLOURS["prefill"], "decode": PHASE_COLOURS["decode"]}
NATIVE = "native histogram"
"""Legend of a heat map's second query, which has data where histograms are exponential."""

OUTCOME_COLOURS = {"ok": "#56A64B", "failed": "#E02F44", "client_error": "#FF9830", "cancelled": "#6E6E6E"}
"""Series that keep their colour on every dashboard."""


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression; an empty legend is Grafana's own. Exemplars lead to traces."""

    expr: str
    legend: str = ""
    exemplars: bool = False


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    stacked: bool = False,
    maximum: float | None = None,
    limits: Mapping[float, str] | None = None,
    links: Sequence[tuple[str, str]] = (),
    colours: Mapping[str, str] | None = None,
    budget: bool = False,
) -> Panel:
    """Lines over time; `limits` draws thresholds, `links` are (title, URL), `colours` are by legend. A
    budget may be below 0: red there.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .span(width)
        .height(8)
    )
    panel = _below_zero_is_red(panel) if budget else panel.min(0)
    panel = (
        panel.line_width(1)
        .fill_opacity(60 if stacked else 8)
        .show_points(looks.VisibilityMode.NEVER)
        .span_nulls(60_000)
    )
    panel = panel.legend(_legend()).tooltip(
        common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    if maximum is not None:
        panel = panel.max(maximum)
    if limits:
        panel = panel.thresholds(_steps(GOOD, limits)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        )
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(
            name, [model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})]
        )
    return panel.links([_link(name, url) for name, url in links]).targets(_targets(queries))


def _below_zero_is_red(panel: timeseries.Panel) -> timeseries.Panel:
    area = common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.AREA)
    return panel.axis_soft_min(0).thresholds(_steps(BAD, {0.0: "transparent"})).thresholds_style(area)


def heat(
    title: str,
    description: str,
    unit: str,
    forms: tuple[str, str],
    *,
    width: int = 12,
    repeat: str = "",
    exemplars: bool = False,
) -> Panel:
    """A histogram over time: colour is how many values fell into a bucket; `repeat` makes one per value of a
    variable.

    `forms` are the classic query and the native one: Grafana reads buckets as rows, and native histograms as
    they are.
    """
    classic, native = forms
    panel = heatmap.Panel().title(title).description(description).datasource(PROMETHEUS).span(width).height(8)
    panel = panel.calculate(calculate=False).y_axis(heatmap.YAxisConfig().unit(unit)).unit(unit).cell_gap(1)
    panel = panel.color(
        heatmap.HeatmapColorOptions()
        .mode(HeatmapColorMode.SCHEME)
        .scheme("Turbo")
        .fill("dark-orange")
        .steps(64)
        .exponent(0.5)
    )
    panel = (
        panel.tooltip(heatmap.HeatmapTooltip().mode(looks.TooltipDisplayMode.SINGLE))
        .show_legend()
        .filter_values(heatmap.FilterValueRange().le(1e-9))
    )
    if exemplars:
        panel = panel.exemplars_color("rgba(255,255,255,0.8)")
    if repeat:
        panel = panel.repeat(repeat).repeat_direction("h")
    rows = _prometheus("A", Query(classic, "{{le}}", exemplars)).range().format(PromQueryFormat.HEATMAP)
    cells = _prometheus("B", Query(native, NATIVE, exemplars)).range().format(PromQueryFormat.TIME_SERIES)
    return panel.targets([rows, cells])


def figure(
    title: str,
    description: str,
    unit: str,
    expr: str,
    *,
    steps: Mapping[float, str] | None = None,
    width: int = 6,
    decimals: int = 2,
) -> Panel:
    """One number for the chosen time range; `steps` colours it from a value upwards, below the first it is
    red.
    """
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .decimals(decimals)
        .span(width)
        .height(4)
    )
    panel = (
        panel.graph_mode(looks.BigValueGraphMode.NONE)
        .color_mode(looks.BigValueColorMode.VALUE)
        .no_value("no data")
    )
    panel = panel.thresholds(_steps(BAD, steps) if steps else _steps("text", {}))
    return panel.targets([_prometheus("A", Query(expr, title)).instant()])


def bars(title: str, description: str, unit: str, expr: str, legend: str, *, width: int = 12) -> Panel:
    """One bar per series for the chosen time range."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .span(width)
        .height(8)
    )
    panel = (
        panel.orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .show_unfilled(show_unfilled=True)
    )
    palette = dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC)
    panel = panel.color_scheme(palette).decimals(2)
    return panel.targets([_prometheus("A", Query(expr, legend)).instant()])


@dataclass(frozen=True, slots=True)
class Column:
    """One column of figures; its unit is its own."""

    name: str
    unit: str
    expr: str


def compared(title: str, description: str, labels: Mapping[str, str], columns: Sequence[Column]) -> Panel:
    """A table with one row per combination of labels (label → heading) and a column per expression."""
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(COUNT)
        .decimals(2)
        .span(24)
        .height(9)
    )
    names = {f"Value #{chr(65 + n)}": column.name for n, column in enumerate(columns)}
    order = {field: n for n, field in enumerate([*labels, *names])}
    arrange: dict[str, Any] = {
        "excludeByName": {"Time": True},
        "indexByName": order,
        "renameByName": {**labels, **names},
    }
    merge = model.DataTransformerConfig("merge", options={})
    panel = panel.transformations([merge, model.DataTransformerConfig("organize", options=arrange)])
    for column in columns:
        panel = panel.override_by_name(column.name, [model.DynamicConfigValue("unit", column.unit)])
    return panel.targets(
        [
            _prometheus(chr(65 + n), Query(c.expr)).instant().format(PromQueryFormat.TABLE)
            for n, c in enumerate(columns)
        ]
    )


def _targets(queries: Sequence[Query]) -> list[Any]:
    return [_prometheus(chr(65 + n), query).range() for n, query in enumerate(queries)]


def _prometheus(ref_id: str, query: Query) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .ref_id(ref_id)
        .expr(query.expr)
        .datasource(PROMETHEUS)
        .legend_format(query.legend or "__auto")
    )
    return target.exemplar(exemplar=True) if query.exemplars else target


def _legend() -> common.VizLegendOptions:
    options = (
        common.VizLegendOptions()
        .display_mode(looks.LegendDisplayMode.TABLE)
        .placement(looks.LegendPlacement.BOTTOM)
    )
    return options.show_legend(show_legend=True).calcs(["lastNotNull", "max"])


def _steps(base: str, steps: Mapping[float, str]) -> dashboard.ThresholdsConfig:
    listed = [
        model.Threshold(None, base),
        *(model.Threshold(value, colour) for value, colour in sorted(steps.items())),
    ]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(listed)


def _link(title: str, url: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url)
