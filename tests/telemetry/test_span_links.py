"""Links between the spans of requests that waited for each other."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from telemetry.events import DelayCause, RequestDelay, Status
from telemetry.recorder import Ended
from tests.telemetry.records import ManualClock, answer, open_record, recorder
from tests.telemetry.tracing import named, traced


def test_the_queue_links_to_the_requests_that_held_the_slots() -> None:
    """Known holders become links; unknown ones are left out."""
    clock = ManualClock()
    sink, exporter = traced()
    rec = recorder(clock, sink)
    holder = open_record(rec, clock, "first")
    rec.admit(holder)
    waiting = open_record(rec, clock, "second")
    rec.admit(waiting)
    answer(rec, clock, waiting, holders=f"{holder.seq},1")
    rec.close(waiting, Ended(Status.OK, 200))
    links = named(exporter.get_finished_spans(), "firsttoken.queue").links
    assert [f"{link.context.span_id:016x}" for link in links] == [holder.trace.span_id]


def test_links_between_requests_that_waited_for_each_other() -> None:
    """Both ways and with what was lost: from the queue and from the answer to whom it waited for, from the
    prompt to whom it held up.
    """
    clock = ManualClock()
    sink, exporter = traced()
    rec = recorder(clock, sink)
    holder, waiting = open_record(rec, clock, "holder"), open_record(rec, clock, "waiting")
    rec.admit(holder)
    rec.admit(waiting)
    for record, other, direction in ((holder, waiting, "delayed"), (waiting, holder, "delayed_by")):
        answer(rec, clock, record, holders=str(other.seq) if record is waiting else "")
        delays = [
            RequestDelay(cause, other.seq, 5_000_000, 1, 5_000_000, clock())
            for cause in (DelayCause.SLOTS, DelayCause.PREFILL)
        ]
        setattr(
            record,
            direction,
            [*delays, RequestDelay(DelayCause.PREFILL, 1, 9_000_000, 1, 9_000_000, clock())],
        )
        rec.close(record, Ended(Status.OK, 200))
    first, second = (exporter.get_finished_spans()[at] for at in _places(exporter, "firsttoken.prefill"))
    assert _linked(first) == [
        (waiting.trace.span_id, "held_up", "slots", 0.005),
        (waiting.trace.span_id, "held_up", "prefill", 0.005),
    ]
    assert not second.links
    queue, decode = (
        exporter.get_finished_spans()[_places(exporter, name)[1]]
        for name in ("firsttoken.queue", "firsttoken.decode")
    )
    assert _linked(queue) == [(holder.trace.span_id, "held_up_by", "slots", 0.005)]
    assert _linked(decode) == [(holder.trace.span_id, "held_up_by", "prefill", 0.005)]


def _places(exporter: InMemorySpanExporter, name: str) -> list[int]:
    return [at for at, span in enumerate(exporter.get_finished_spans()) if span.name == name]


def _linked(span: ReadableSpan) -> list[tuple[object, ...]]:
    names = ("direction", "cause", "duration")
    return [
        (
            f"{link.context.span_id:016x}",
            *((link.attributes or {}).get(f"firsttoken.delay.{name}") for name in names),
        )
        for link in span.links
    ]
