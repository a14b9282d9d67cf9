"""Dashboard *Trace explorer*: from a slow or failed request to its spans, its log line and its page."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, logs, loki, table, tempo
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import DataSourceRef, LogsSortOrder
from grafana_foundation_sdk.models.tempo import SearchTableType

import telemetry.semconv as names
from grafana.sources import queries as q
from grafana.sources.board import Board, Section
from grafana.sources.overview import LATENCY
from grafana.sources.panels import SECONDS, Panel, Query, graph, heat

TEMPO = DataSourceRef("tempo", "${tempo}")
LOKI = DataSourceRef("loki", "${loki}")

SERVICE = 'resource.service.name=~"$service"'
OPERATIONS = "chat|text_completion|embeddings"
CHAT = (
    f'{SERVICE} && span.{names.GEN_AI_OPERATION_NAME}=~"{OPERATIONS}" &&'
    f' span.{names.GEN_AI_REQUEST_MODEL}=~"$model"'
)
"""Operations of the GenAI conventions: steps and loads of engines are none, also where they name a model."""
SHOWN = ", ".join(
    f"span.{name}"
    for name in (
        names.GEN_AI_REQUEST_MODEL,
        names.GEN_AI_USAGE_INPUT_TOKENS,
        names.GEN_AI_USAGE_OUTPUT_TOKENS,
        names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
        names.ERROR_TYPE,
    )
)
ANSWERS = f"{{ {CHAT} }} | select({SHOWN})"
FAILED = (
    f'{{ {CHAT} && span.{names.ERROR_TYPE}!="" && span.{names.ERROR_TYPE}!="client_disconnect" }} |'
    f" select({SHOWN})"
)
REQUESTS = (
    f"{{ {SERVICE} && kind=server }} | select(span.{names.REQUEST_ID},"
    f" span.{names.HTTP_RESPONSE_STATUS_CODE}, span.{names.ERROR_TYPE})"
)
WAITED = (
    f'{{ {SERVICE} && name="{names.SPAN_NAMES["queue"]}" && duration > 1s }}'
    f" | select(span.{names.QUEUE_REASON}, span.{names.QUEUE_POSITION})"
)

KEPT = "&".join(
    f"${{{variable}:queryparam}}"
    for variable in ("prometheus", "tempo", "loki", "job", "instance", "model", "service", "gateway")
)
TRACE_LINK = {
    "title": "Show below",
    "url": f"/d/firsttoken-traces?${{__url_time_range}}&{KEPT}&var-trace_id=${{__data.fields.traceIdHidden}}",
}
"""Fields of a table of spans are called `spanID`, `traceIdHidden`, and as the attributes without `span.`."""
PAGE_LINK = {
    "title": "Open the request's page",
    "url": "${gateway}/dashboard/requests/${__value.raw}",
    "targetBlank": True,
}


def spans(title: str, description: str, traceql: str, *, width: int = 24) -> Panel:
    """A table of the spans that a TraceQL query finds; span and request ids are links."""
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(TEMPO)
        .unit("none")
        .span(width)
        .height(8)
    )
    panel = panel.override_by_name("spanID", [model.DynamicConfigValue("links", [TRACE_LINK])])
    panel = panel.override_by_name(names.REQUEST_ID, [model.DynamicConfigValue("links", [PAGE_LINK])])
    panel = panel.override_by_name(
        names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, [model.DynamicConfigValue("unit", SECONDS)]
    )
    return panel.targets([_search(traceql)])


def _search(traceql: str) -> tempo.Dataquery:
    """A TraceQL search whose rows are spans."""
    query = tempo.Dataquery().ref_id("A").query_type("traceql").query(traceql).limit(50).datasource(TEMPO)
    return query.table_type(SearchTableType.SPANS)


def _waterfall() -> Panel:
    panel = (
        dashboard.Panel()
        .type("traces")
        .title("Trace $trace_id")
        .datasource(TEMPO)
        .unit("ns")
        .span(24)
        .height(14)
    )
    panel = panel.description(
        "The spans of the trace chosen above: a span per phase, as on the request's own page. Paste an id"
        " into Trace to see it."
    )
    return panel.targets(
        [tempo.Dataquery().ref_id("A").query_type("traceql").query("$trace_id").datasource(TEMPO)]
    )


def _lines() -> Panel:
    panel = (
        logs.Panel()
        .title("Log lines of requests")
        .datasource(LOKI)
        .unit("none")
        .span(24)
        .height(8)
        .show_time(show_time=True)
    )
    panel = panel.description(
        "One wide line per completed request, with its figures; open one for its request_id and its trace."
    )
    panel = (
        panel.sort_order(LogsSortOrder.DESCENDING)
        .enable_log_details(enable_log_details=True)
        .wrap_log_message(wrap_log_message=False)
    )
    line = (
        loki.Dataquery()
        .ref_id("A")
        .expr('{service_name=~"$service"} | trace_id=~".+"')
        .datasource(LOKI)
        .query_type("range")
    )
    return panel.targets([line])


TRACES = Board(
    uid="firsttoken-traces",
    title="firsttoken: Trace explorer",
    description=(
        "From a slow or failed request to its spans, its log line and its own page. Needs traces over OTLP."
    ),
    traces=True,
    sections=[
        Section(
            "Find a request",
            [
                heat(
                    "Request duration",
                    "How many requests took how long. The dots are requests: click one for its trace.",
                    SECONDS,
                    q.buckets(q.REQUEST_DURATION),
                    exemplars=True,
                ),
                graph(
                    "Time to first token, with requests",
                    "95th percentile, and requests as dots: click one for its trace.",
                    SECONDS,
                    Query(q.quantile(0.95, q.TTFT), "p95", exemplars=True),
                    links=[LATENCY],
                ),
                spans(
                    "Requests",
                    "The latest requests. A request id leads to its page on the gateway, a span id shows its"
                    " trace below.",
                    REQUESTS,
                ),
                spans(
                    "Answers",
                    "The latest inference spans: model, tokens, time to the first chunk.",
                    ANSWERS,
                    width=12,
                ),
                spans(
                    "Failed",
                    "Inference spans that ended with an error of ours or the client's; departures are left"
                    " out.",
                    FAILED,
                    width=12,
                ),
                spans(
                    "Waited for a slot",
                    "Requests that waited longer than a second, and for what. Their links lead to the"
                    " requests that held the slots.",
                    WAITED,
                ),
            ],
        ),
        Section("One trace", [_waterfall(), _lines()]),
    ],
)
