"""The frame of every dashboard: variables, links to the others and to our own pages, and rows on a grid of
24 columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from grafana.sources.panels import PROMETHEUS, Panel
from grafana.sources.queries import ALIVE

COLUMNS = 24
TAG = "firsttoken"
GATEWAY_URL = "http://127.0.0.1:8080"
SERVICE_OF_JOB = "/^(?:.*\\/)?(?<value>[^\\/]+)$/"
"""Prometheus' `job` is `service.namespace/service.name`, or the name alone; traces and logs know the name."""


@dataclass(frozen=True, slots=True)
class Section:
    """A row of the dashboard."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `uid` is its file name and its address below `/d/`."""

    uid: str
    title: str
    description: str
    sections: Sequence[Section]
    by_context: bool = False
    traces: bool = False

    def build(self) -> model.Dashboard:
        """The dashboard as Grafana's model."""
        board = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([TAG])
            .timezone("browser")
        )
        board = (
            board.time("now-1h", "now").refresh("1m").editable().tooltip(model.DashboardCursorSync.CROSSHAIR)
        )
        board = board.variables(self._variables()).links(_links())
        built = board.build()
        built.panels = self._placed()
        return built

    def _variables(self) -> list[Any]:
        sources = [_source("prometheus", "Metrics")]
        if self.traces:
            sources += [_source("tempo", "Traces"), _source("loki", "Logs")]
        listed = [
            _query(
                "job",
                "Job",
                f"label_values({ALIVE}, job)",
                "The scrape job; over OTLP service.name, behind service.namespace and a slash where there is"
                " one.",
                every=".+",
            ),
            _query(
                "instance",
                "Instance",
                f'label_values({ALIVE}{{job=~"$job"}}, instance)',
                "One gateway process.",
                every=".+",
            ),
            _query(
                "model",
                "Model",
                'label_values(firsttoken_engine_slots{job=~"$job"}, gen_ai_request_model)',
                "A served model.",
            ),
        ]
        if self.by_context:
            buckets = (
                'label_values({__name__=~"firsttoken_ttft_by_context_seconds(_count)?",job=~"$job"},'
                " context_bucket)"
            )
            listed.append(_query("context_bucket", "Context", buckets, "Prompt tokens, from-to."))
        gateway = dashboard.TextBoxVariable("gateway").label("Gateway").default_value(GATEWAY_URL)
        boxes = [gateway.description("Where the gateway's own pages are; links to them begin with it.")]
        if self.traces:
            listed.append(_service())
            boxes.append(
                dashboard.TextBoxVariable("trace_id")
                .label("Trace")
                .default_value("")
                .description("The trace shown below.")
            )
        return [*sources, *listed, *boxes]

    def _placed(self) -> list[model.Panel | model.RowPanel]:
        """Panels from left to right, wrapped at the grid's edge, with ids in order."""
        placed: list[model.Panel | model.RowPanel] = []
        y = 0
        for section in self.sections:
            row = dashboard.Row(section.title).collapsed(collapsed=False).build()
            row.id_val, row.grid_pos = len(placed) + 1, model.GridPos(1, COLUMNS, 0, y)
            placed.append(row)
            x, y, tallest = 0, y + 1, 0
            for builder in section.panels:
                panel = builder.build()
                assert panel.grid_pos is not None
                width, height = panel.grid_pos.w, panel.grid_pos.h
                if x + width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                panel.id_val, panel.grid_pos = len(placed) + 1, model.GridPos(height, width, x, y)
                placed.append(panel)
                x, tallest = x + width, max(tallest, height)
            y += tallest
        return placed


def _source(kind: str, label: str) -> dashboard.DatasourceVariable:
    variable = dashboard.DatasourceVariable(kind).label(label).type(kind)
    return variable.description(f"The {kind.capitalize()} data source to read.")


def _query(
    name: str, label: str, query: str, description: str, *, every: str = ".*"
) -> dashboard.QueryVariable:
    """A variable with several values; `every` also matches series that lack the label when it is `.*`."""
    variable = dashboard.QueryVariable(name).label(label).description(description).datasource(PROMETHEUS)
    variable = variable.query({"query": query, "refId": "StandardVariableQuery"}).refresh(
        model.VariableRefresh.ON_TIME_RANGE_CHANGED
    )
    variable = (
        variable.sort(model.VariableSort.NUMERICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(every)
    )
    return variable.current(model.VariableOption(selected=True, text="All", value="$__all"))


def _service() -> dashboard.QueryVariable:
    """What traces and logs are filtered by."""
    variable = _query(
        "service",
        "Service",
        f'label_values({ALIVE}{{job=~"$job"}}, job)',
        "service.name of the jobs above.",
        every=".+",
    )
    return variable.regex(SERVICE_OF_JOB)


def _links() -> list[Any]:
    others = dashboard.DashboardLink("firsttoken").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    ours = (
        dashboard.DashboardLink("Gateway's own pages")
        .type(model.DashboardLinkType.LINK)
        .url("${gateway}/dashboard")
    )
    return [
        others.as_dropdown(as_dropdown=True).include_vars(include_vars=True).keep_time(keep_time=True),
        ours.icon("external link")
        .target_blank(target_blank=True)
        .tooltip("Requests as waterfalls, conversations, models"),
    ]
