"""Every panel is readable: described, with a unit, in its place; and its links lead somewhere."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from telemetry import semconv
from telemetry.metrics.catalog import ALL
from tests.grafana.bundle import SERIES, dashboards, panel_expressions, panels, selectors

UNITS = {"s", "ns", "reqps", "cps", "suffix: tok/s", "percentunit", "bytes", "short", "none", "watt", "joule"}
EVERYWHERE = {"prometheus", "job", "instance", "model", "gateway"}
SEMANTIC_NAMES = {value for value in vars(semconv).values() if isinstance(value, str)} | {"service.name"}

each_board = pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
each_panel = pytest.mark.parametrize(
    ("uid", "panel"), panels(), ids=[f"{uid}: {panel['title']}" for uid, panel in panels()]
)


def test_all_six_are_there() -> None:
    """The bundle has the dashboards that the documentation names."""
    assert {board["uid"] for board in dashboards()} == {
        f"firsttoken-{name}" for name in ("overview", "latency", "engine", "models", "health", "traces")
    }


@each_panel
def test_panel_says_what_it_shows(uid: str, panel: dict[str, Any]) -> None:
    """A panel has a title, a description that is a sentence, a unit, and a data source chosen by a
    variable.
    """
    assert panel["title"]
    assert len(panel["description"]) > 20
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"]["uid"].startswith("${")
    assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


@each_panel
def test_series_are_named(uid: str, panel: dict[str, Any]) -> None:
    """Every line, bar and bucket has a legend of ours, and a panel's queries have different ones."""
    if panel["type"] in ("table", "logs", "traces"):
        return
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert "__auto" not in legends
    assert len(set(legends)) == len(legends)


@each_board
def test_grid_is_full_and_nothing_overlaps(board: dict[str, Any]) -> None:
    """Panels keep inside 24 columns, no two share a cell, and ids are unique."""
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))
        assert at["x"] + at["w"] <= 24
        assert not taken & cells
        taken |= cells
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


@each_board
def test_variables(board: dict[str, Any]) -> None:
    """Each dashboard can be narrowed and pointed at other data sources; every variable used is defined and
    described.
    """
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert set(variables) >= EVERYWHERE
    assert all(variable["description"] for variable in variables.values())
    used = set(re.findall(r"\$\{?(\w+)", str(board["panels"]) + str(board["links"])))
    built_in = {name for name in used if name.startswith("__")}
    assert used - built_in <= set(variables)


@each_board
def test_links_lead_to_dashboards_that_exist(board: dict[str, Any]) -> None:
    """Every /d/ address is one of ours; the other dashboards and the gateway's pages are in the menu."""
    known = {other["uid"] for other in dashboards()}
    assert set(re.findall(r"/d/([\w-]+)", str(board))) <= known
    assert {link["type"] for link in board["links"]} == {"dashboards", "link"}
    assert board["tags"] == ["firsttoken"]


def test_traces_lead_to_the_request_page() -> None:
    """The trace explorer's request ids open the request's page, and its span ids show the trace."""
    (board,) = (board for board in dashboards() if board["uid"] == "firsttoken-traces")
    text = str(board["panels"])
    assert "${gateway}/dashboard/requests/${__value.raw}" in text
    assert "var-trace_id=${__data.fields.traceIdHidden}" in text
    assert any(panel["type"] == "traces" for panel in board["panels"])


def test_traceql_names_what_spans_have() -> None:
    """Every attribute and span name in a TraceQL query is one of the conventions that our spans follow."""
    queries = [
        target["query"]
        for _, panel in panels()
        if panel["datasource"]["type"] == "tempo"
        for target in panel["targets"]
    ]
    named = {name for query in queries for name in re.findall(r"(?:span|resource)\.([\w.]+)", query)}
    spans = {name for query in queries for name in re.findall(r'(?<!\.)\bname="([^"]+)"', query)}
    assert named
    assert named <= SEMANTIC_NAMES
    assert spans <= set(semconv.SPAN_NAMES.values())


def test_every_instrument_is_on_some_panel() -> None:
    """No metric is recorded that nobody can see."""
    shown = {
        SERIES[found.metric]
        for e in panel_expressions()
        for found in selectors(e.filled)
        if found.metric in SERIES
    }
    assert [instrument.name for instrument in ALL if instrument not in shown] == []


def test_histograms_lead_to_traces() -> None:
    """Latency panels ask for exemplars."""
    boards = {e.where.split(":")[0] for e in panel_expressions() if e.exemplars}
    assert boards >= {"firsttoken-overview", "firsttoken-latency", "firsttoken-traces"}


def test_a_real_server_can_bear_them() -> None:
    """Dashboards open with an hour and ask again once a minute; nobody reads days of samples at each step
    of a graph.
    """
    for board in dashboards():
        assert (board["time"]["from"], board["refresh"]) == ("now-1h", "1m")
        assert board["schemaVersion"] >= 42
    graphs = [
        target["expr"]
        for _, panel in panels()
        if panel["type"] == "timeseries"
        for target in panel["targets"]
    ]
    assert not [expr for expr in graphs if re.search(r"\[(6h|\d+d)\]", expr)]


def test_answers_are_operations_of_models() -> None:
    """The explorer's tables of inference spans leave out what only names a model: steps and loads of
    engines.
    """
    queries = {
        panel["title"]: panel["targets"][0]["query"]
        for _, panel in panels()
        if panel["datasource"]["type"] == "tempo"
    }
    for title in ("Answers", "Failed"):
        assert f'span.{semconv.GEN_AI_OPERATION_NAME}=~"chat|' in queries[title]


def test_traces_and_logs_know_the_service_not_the_job() -> None:
    """Prometheus' job is `namespace/name` where there is a namespace; traces and logs are filtered by the
    name, from a variable of its own.
    """
    (board,) = (board for board in dashboards() if board["uid"] == "firsttoken-traces")
    (service,) = (variable for variable in board["templating"]["list"] if variable["name"] == "service")
    pattern = re.compile(service["regex"].strip("/").replace("(?<", "(?P<"))
    assert [pattern.search(job)["value"] for job in ("firsttoken", "shop/firsttoken")] == ["firsttoken"] * 2  # type: ignore[index]
    others = [
        target.get("query", target.get("expr", ""))
        for p in board["panels"]
        for target in p.get("targets", ())
    ]
    asked = [text for text in others if "service" in text]
    assert asked
    assert all("$service" in text and "$job" not in text for text in asked)


def test_a_spent_budget_is_drawn_below_zero() -> None:
    """Budgets have no floor at 0, and what is below it is red."""
    by_title = {panel["title"]: panel["fieldConfig"]["defaults"] for _, panel in panels()}
    for title in ("Error budget left", "Latency budget left", "Budget left by objective"):
        assert "min" not in by_title[title]
        assert by_title[title]["thresholds"]["steps"][0] == {"color": "red", "value": None}
        assert by_title[title]["thresholds"]["steps"][1]["value"] == 0


def test_rows_for_whoever_is_on_call() -> None:
    """The first row of the latency dashboard says whose fault it is, that of the engine dashboard whether
    there is room.
    """
    first = {board["uid"]: board["panels"][0]["title"] for board in dashboards()}
    assert first["firsttoken-latency"].startswith("Us or the model?")
    assert first["firsttoken-engine"] == "Capacity"
