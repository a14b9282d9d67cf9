"""Names on spans, metrics and the resource are those of the OpenTelemetry conventions, with their types,
instruments and units, or ours.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from telemetry.content import Content
from telemetry.events import Status
from telemetry.metrics import catalog
from telemetry.metrics.instrument import Instrument, Kind
from telemetry.otlp import providers
from telemetry.outcomes import REJECTIONS
from telemetry.recorder import Ended
from telemetry.tracing.sink import RecordIds, SpanSink
from tests.contracts.conventions import OURS, Conventions, used_attributes, used_metrics
from tests.contracts.sources import ROOT
from tests.telemetry.records import ManualClock, answer, open_record, recorder

KINDS = {
    Kind.COUNTER: "counter",
    Kind.HISTOGRAM: "histogram",
    Kind.GAUGE: "gauge",
    Kind.UP_DOWN: "updowncounter",
}
TYPES = {"string": str, "int": int, "double": float, "boolean": bool, "string[]": tuple, "any": str}

NOT_REJECTED = frozenset(
    {
        "client_disconnect",
        "context_length_exceeded",
        "engine_error",
        "forbidden",
        "host_not_allowed",
        "not_acceptable",
        "origin_not_allowed",
    }
    | {"store_unavailable", "stream_gap", "stream_not_found", "timeout"}
)
"""Codes of errors that come before a request to a model, of other requests, or once an engine has it."""


def test_the_list_is_what_we_use() -> None:
    """Every name that is not ours is in the conventions, and the list holds nothing else."""
    listed = Conventions.listed()
    assert listed.attributes.keys() == used_attributes()
    assert listed.metrics.keys() == used_metrics()


@pytest.mark.parametrize(
    "instrument",
    [instrument for instrument in catalog.ALL if not instrument.name.startswith(OURS)],
    ids=lambda i: i.name,
)
def test_metrics_are_as_the_conventions_say(instrument: Instrument) -> None:
    """Instrument and unit; every label is an attribute of the conventions; a metric about GenAI names the
    provider.
    """
    listed = Conventions.listed()
    assert listed.metrics[instrument.name] == {"instrument": KINDS[instrument.kind], "unit": instrument.unit}
    assert set(instrument.labels) <= listed.attributes.keys()
    assert "gen_ai.provider.name" in instrument.labels or not instrument.name.startswith("gen_ai.")


def test_spans_have_attributes_of_the_conventions_or_of_ours() -> None:
    """With the types that they are to have: of a request with everything that there can be."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, id_generator=RecordIds())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    clock = ManualClock()
    rec = recorder(clock, SpanSink(provider, capture_content=True))
    record = open_record(rec, clock)
    record.content, record.conversation_id, record.server_address, record.server_port = (
        Content([], ["x"]),
        "c",
        "h",
        80,
    )
    record.params |= {
        "top_p": 1,
        "top_k": 40.0,
        "seed": 7,
        "frequency_penalty": 1,
        "presence_penalty": 0,
        "reasoning_level": "low",
    }
    record.params["output_type"] = "text"
    answer(rec, clock, record)
    rec.close(record, Ended(Status.ERROR, 500, "engine_error"))
    seen = {
        name: value
        for span in exporter.get_finished_spans()
        for name, value in (span.attributes or {}).items()
    }
    listed = Conventions.listed()
    foreign = {name: value for name, value in seen.items() if not name.startswith(OURS)}
    assert foreign.keys() <= listed.attributes.keys()
    assert {name for name in listed.attributes if name.startswith("gen_ai.")} - {
        "gen_ai.token.modality"
    } <= foreign.keys()
    assert [
        name for name, value in foreign.items() if type(value) is not TYPES[listed.attributes[name]]
    ] == []


def test_the_resource_has_attributes_of_the_conventions_or_of_ours() -> None:
    """Those of the SDK itself aside."""
    built = providers.build(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=x",
        }
    )
    assert built.tracer is not None
    own = {name for name in built.tracer.resource.attributes if not name.startswith((OURS, "telemetry.sdk."))}
    assert own <= Conventions.listed().attributes.keys()
    built.shutdown(0.1)


def test_every_reason_to_turn_a_request_away_counts_from_zero() -> None:
    """They are the codes of errors of the API; one that is added must be added to the list."""
    codes: set[str] = set()
    for path in (*Path(ROOT, "gateway/api").rglob("*.py"), ROOT / "gateway/errors.py"):
        codes |= set(_codes(ast.parse(path.read_text("utf-8"))))
    found = codes - NOT_REJECTED - {"internal_error"}
    new, gone = sorted(found - set(REJECTIONS)), sorted(set(REJECTIONS) - found)
    advice = "where such a request is turned away at the door, else in NOT_REJECTED here"
    assert not new, f"put {new} in REJECTIONS of telemetry/outcomes.py {advice}"
    assert not gone, f"take {gone} out of REJECTIONS of telemetry/outcomes.py: no error has such a code"


def _codes(tree: ast.AST) -> list[str]:
    """What is given as `code=` or is the `default_code` of an error."""
    given = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "code"]
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)]
    for node in assigned:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if (
            any(isinstance(target, ast.Name) and target.id == "default_code" for target in targets)
            and node.value is not None
        ):
            given.append(node.value)
    return [
        value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)
    ]
