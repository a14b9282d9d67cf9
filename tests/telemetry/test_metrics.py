"""The metrics sink: what a record counts as, on `/metrics` and through the OpenTelemetry SDK."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader

from telemetry.events import Phase, Status
from telemetry.metrics import catalog, instruments
from telemetry.metrics.buckets import DURATION_BUCKETS
from telemetry.metrics.instrument import Instrument, Kind, prometheus_name
from telemetry.metrics.otel import OtelBackend
from telemetry.metrics.prometheus import MAX_CHILDREN
from telemetry.metrics.sink import MetricsSink
from telemetry.outcomes import REJECTIONS
from telemetry.recorder import Ended
from telemetry.trace_ids import TraceIds
from telemetry.watches.event_loop import EventLoopMonitor
from tests.telemetry.metric_values import sink, value
from tests.telemetry.records import MODEL, ManualClock, completed, open_record, recorder

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("gen_ai.server.request.duration", "s", Kind.HISTOGRAM, "gen_ai_server_request_duration_seconds"),
        ("firsttoken.output_rate", "{token}/s", Kind.HISTOGRAM, "firsttoken_output_rate_per_second"),
        ("firsttoken.engine.tokens", "{token}", Kind.COUNTER, "firsttoken_engine_tokens_total"),
        ("firsttoken.engine.time", "s", Kind.COUNTER, "firsttoken_engine_time_seconds_total"),
        ("firsttoken.model.memory", "By", Kind.GAUGE, "firsttoken_model_memory_bytes"),
        ("firsttoken.energy", "J", Kind.COUNTER, "firsttoken_energy_joules_total"),
        ("http.server.active_requests", "{request}", Kind.UP_DOWN, "http_server_active_requests"),
    ],
)
def test_names_are_those_of_the_translation(name: str, unit: str, kind: Kind, expected: str) -> None:
    """Units are spelled out, annotations dropped, counters end in `_total`."""
    assert prometheus_name(name, unit, kind) == expected


def test_every_metric_passes_promtool() -> None:
    """`promtool check metrics` has nothing to say about a page with every instrument on it."""
    metrics = sink()
    for instrument in catalog.ALL:
        metrics.record(instrument, 1, *(["200"] * len(instrument.labels)))
    body, content_type = metrics.render("")
    checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr, checked.stdout) == (0, b"", b"")
    assert content_type.startswith("text/plain")
    assert b"_created" not in body
    missing = [i.name for i in catalog.ALL if i.prometheus_name.encode() not in body]
    assert missing == []


def test_a_request_is_counted_once_with_its_labels() -> None:
    """One request: one duration, its tokens, its rate in its context bucket, each gap, each phase."""
    metrics = sink()
    completed(sink=metrics)
    labels = {
        "gen_ai_request_model": MODEL,
        "gen_ai_response_model": MODEL,
        "gen_ai_operation_name": "chat",
        "error_type": "",
    }
    assert value(metrics, "gen_ai_server_request_duration_seconds_count", **labels) == 1
    assert value(metrics, "gen_ai_server_request_duration_seconds_sum", **labels) == pytest.approx(0.2005)
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_sum") == pytest.approx(0.1095)
    assert value(metrics, "gen_ai_server_time_per_output_token_seconds_sum") == pytest.approx(0.03)
    assert value(metrics, "gen_ai_client_inference_usage_input_tokens_total") == 600
    assert value(metrics, "gen_ai_client_inference_usage_output_tokens_total") == 4
    assert value(metrics, "firsttoken_output_rate_per_second_count", context_bucket="512-1k") == 1
    assert value(metrics, "firsttoken_prompt_rate_per_second_sum", context_bucket="512-1k") == pytest.approx(
        5000
    )
    assert value(metrics, "firsttoken_inter_token_latency_seconds_count", gen_ai_request_model=MODEL) == 3
    assert value(metrics, "firsttoken_phase_duration_seconds_sum", phase="prefill") == pytest.approx(0.1)
    assert value(metrics, "firsttoken_prefix_cache_queries_total", reason="appended") == 600
    assert value(metrics, "firsttoken_prefix_cache_hits_total", source="kv", reason="appended") == 100


def test_a_disconnect_counts_but_measures_no_latency() -> None:
    """A client that left before the first token is in the duration with its error type, and in nothing
    else.
    """
    clock, metrics = ManualClock(), sink()
    rec = recorder(clock, metrics)
    record = open_record(rec, clock)
    rec.close(record, Ended(Status.CANCELLED, 499, "client_disconnect"))
    assert value(metrics, "gen_ai_server_request_duration_seconds_count", error_type="client_disconnect") == 1
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_count") is None
    assert value(metrics, "gen_ai_server_time_per_output_token_seconds_count") is None


def test_clients_cannot_make_series() -> None:
    """Names that we do not serve all count as `_unknown`."""
    clock, metrics = ManualClock(), sink()
    rec = recorder(clock, metrics)
    for n in range(20):
        record = open_record(rec, clock)
        record.model = f"made-up-{n}"
        rec.close(record, Ended(Status.ERROR, 404, "model_not_found"))
    assert (
        value(metrics, "gen_ai_server_request_duration_seconds_count", gen_ai_request_model="_unknown") == 20
    )
    assert b"made-up" not in metrics.render("")[0]


def test_series_are_bounded() -> None:
    """A label that grows without end stops at the limit, and the refusals are counted."""
    metrics = sink()
    for n in range(MAX_CHILDREN + 5):
        metrics.rejected(f"reason-{n}")
    assert metrics.prometheus.refused_series == 5 + len(REJECTIONS)


def test_openmetrics_has_exemplars() -> None:
    """A scrape that asks for OpenMetrics gets the trace and span of an example request; a classic one does
    not.
    """
    metrics = sink()
    record = completed(sink=metrics)
    body, content_type = metrics.render(OPENMETRICS)
    line = next(
        line
        for line in body.decode().splitlines()
        if line.startswith("gen_ai_server_time_to_first_token") and " # " in line
    )
    assert f'trace_id="{record.trace.trace_id}"' in line
    assert f'span_id="{record.trace.span_id}"' in line
    assert content_type.startswith("application/openmetrics-text")
    assert record.trace.trace_id.encode() not in metrics.render("")[0]


def test_drafts_are_counted_by_who_guessed() -> None:
    """Those of both sources as tokens of the engine; each source's, accepted and rejected, by itself."""
    metrics, record = sink(), completed()
    decode = record.phase(Phase.DECODE)
    assert decode is not None
    decode.attributes.update(draft=50, accepted=30, draft_model=20, draft_model_accepted=4)
    metrics.completed(record)
    assert value(metrics, "firsttoken_engine_tokens_total", phase="draft") == 50
    assert value(metrics, "firsttoken_draft_tokens_total", source="lookup", state="accepted") == 26
    assert value(metrics, "firsttoken_draft_tokens_total", source="lookup", state="rejected") == 4
    assert value(metrics, "firsttoken_draft_tokens_total", source="draft_model", state="accepted") == 4
    assert value(metrics, "firsttoken_draft_tokens_total", source="draft_model", state="rejected") == 16


def test_sources_are_read_at_a_scrape() -> None:
    """Store, exporters and the process are read when metrics are; totals are not added twice."""
    metrics = sink()
    metrics.render("")
    metrics.render("")
    assert value(metrics, "firsttoken_store_dropped_total") == 2
    assert value(metrics, "firsttoken_store_flush_duration_seconds_count") == 2
    assert value(metrics, "firsttoken_store_file_size_bytes") == 4096
    assert value(metrics, "firsttoken_store_file_limit_bytes") == 8192
    assert (value(metrics, "system_filesystem_usage_bytes", system_filesystem_state="free") or 0) > 0
    assert value(metrics, "otel_sdk_exporter_span_exported_total", error_type="export_failed") == 7
    assert (value(metrics, "process_memory_usage_bytes") or 0) > 10**6


def test_http_requests_in_flight_return_to_zero() -> None:
    """Started and finished requests cancel out; 5xx has its status as error type; odd methods are one
    series.
    """
    metrics = sink()
    metrics.http_started("BREW")
    metrics.http_request("BREW", "/v1/models", 503, 0.2)
    assert value(metrics, "http_server_active_requests", http_request_method="_OTHER") == 0
    assert (
        value(
            metrics, "http_server_request_duration_seconds_count", http_route="/v1/models", error_type="503"
        )
        == 1
    )


def test_the_sdk_gets_the_same_values() -> None:
    """OTLP has the same counts, the declared boundaries, the gaps, and exemplars of the trace."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    record = completed(sink=sink(OtelBackend(provider)))
    found = _histograms(reader)
    duration = found["gen_ai.server.request.duration"]
    assert (duration.count, tuple(duration.explicit_bounds)) == (1, DURATION_BUCKETS)
    assert [f"{exemplar.trace_id:032x}" for exemplar in duration.exemplars] == [record.trace.trace_id]
    assert dict(duration.attributes or {}) == {
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "llama_cpp",
    }
    deadline = time.monotonic() + 5
    while "firsttoken.inter_token.latency" not in found and time.monotonic() < deadline:
        time.sleep(0.01)
        found = _histograms(reader)
    assert found["firsttoken.inter_token.latency"].count == 3
    provider.shutdown()


def _histograms(reader: InMemoryMetricReader) -> dict[str, HistogramDataPoint]:
    """The first series of each."""
    data = reader.get_metrics_data()
    points = (
        {
            m.name: m.data.data_points[0]
            for r in data.resource_metrics
            for s in r.scope_metrics
            for m in s.metrics
        }
        if data
        else {}
    )
    return {name: point for name, point in points.items() if isinstance(point, HistogramDataPoint)}


class CountingBackend:
    """Counts the calls that it gets."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def declare(self, instrument: Instrument) -> None:
        """Nothing of it is counted."""

    def record(
        self, instrument: Instrument, value: float, labels: tuple[str, ...], trace: TraceIds | None
    ) -> None:
        self.calls[instrument.name] += 1

    def record_many(
        self,
        instrument: Instrument,
        values: Sequence[float],
        labels: tuple[str, ...],
        trace: TraceIds | None = None,
    ) -> None:
        self.calls[instrument.name] += 1

    def forget(self, instrument: Instrument, labels: tuple[str, ...]) -> None:
        self.calls[instrument.name] += 1


def test_recording_a_request_does_not_grow_with_its_tokens() -> None:
    """However many gaps a record has, they are handed over at once, and everything else as often as for a
    short answer.
    """
    counted = []
    for gaps in (2, 100_000):
        backend, record = CountingBackend(), completed()
        record.gaps_us = [20_000] * gaps
        MetricsSink(lambda: {MODEL}, others=[backend]).completed(record)
        counted.append(backend.calls)
    assert counted[0] == counted[1]
    assert counted[0][instruments.INTER_TOKEN.name] == 1


async def _one_lag(metrics: MetricsSink) -> None:
    monitor = EventLoopMonitor(metrics)
    monitor.start()
    await asyncio.sleep(0.4)
    time.sleep(0.3)  # noqa: ASYNC251 - the blocked loop that is to be seen
    await asyncio.sleep(0.05)
    await monitor.stop()


def test_a_blocked_event_loop_is_seen() -> None:
    """A callback that holds the loop for 0.3 s shows as lag."""
    metrics = sink()
    asyncio.run(_one_lag(metrics))
    assert value(metrics, "firsttoken_event_loop_lag_seconds_count") == 1
    assert (value(metrics, "firsttoken_event_loop_lag_seconds_sum") or 0) > 0.1
