"""Who held up whom, on the real model: a stream beside a long prompt, told both ways by the store, pages,
traces and metrics.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.otlp_receiver import OtlpReceiver, attributes
from tests.e2e.serving import MODEL, Served, frames, until

LONG = " ".join(
    f"Paragraph {number}: the clock in room {number} is {number * 7} years old." for number in range(60)
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """An OTLP receiver."""
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def served(receiver: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with two slots, in which a long prompt has come beside a stream, and a third request had
    to wait for both.
    """
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    served = Served(
        tmp_path_factory.mktemp("delayed"), "--engine-n-ctx", "2048", "--engine-slots", "2", env=env
    )
    try:
        _load(served.start())
        yield served
        assert served.stop() == 0
    finally:
        served.kill()


def _load(served: Served) -> None:
    with served.stream(request_id="stream", max_tokens=200, temperature=0) as response:
        stream = frames(response)
        for _ in range(12):  # a plain step's duration is known by now
            next(stream)
        other = threading.Thread(target=_ask, args=(served, "long", LONG, 40))
        other.start()
        until(lambda: _live(served) >= 2, what="the long prompt runs")
        third = threading.Thread(target=_ask, args=(served, "third", "Hi!", 2))
        third.start()
        list(stream)
        other.join()
        third.join()


def _ask(served: Served, request_id: str, text: str, max_tokens: int) -> None:
    answer = httpx.post(
        f"{served.base_url}/v1/chat/completions",
        json={"messages": [{"role": "user", "content": text}], "max_tokens": max_tokens, "model": MODEL},
        headers={"x-request-id": request_id},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text


def _live(served: Served) -> int:
    found = re.findall(
        r'firsttoken_engine_slots\{[^}]*state="(?:prefill|decode)"\} (\d+)',
        httpx.get(f"{served.base_url}/metrics").text,
    )
    return sum(int(count) for count in found)


def delays(served: Served, request_id: str) -> dict[tuple[str, str], dict[str, Any]]:
    row = served.row(request_id)
    found = served.rows(
        "SELECT d.*, r.id AS other FROM request_delays d JOIN requests r ON r.seq = d.by_seq WHERE d.seq = ?",
        row["seq"],
    )
    return {(one["cause"], one["other"]): one for one in found}


def test_the_prompt_is_blamed_for_the_gaps(served: Served) -> None:
    """What the stream lost to the prompt is what its gaps were longer than usual, within a third; the
    longest is its longest gap's.
    """
    row, lost = served.row("stream"), delays(served, "stream")["prefill", "long"]
    assert lost["total_us"] / 1e3 <= row["decode_ms"]
    assert lost["longest_us"] / 1e3 <= row["itl_max_ms"]
    assert lost["longest_us"] / 1e3 >= (row["itl_max_ms"] - row["itl_p50_ms"]) / 3
    assert lost["times"] >= 2
    prefill_ms = served.row("long")["prefill_ms"]
    assert prefill_ms / 3 <= lost["total_us"] / 1e3 <= prefill_ms


def test_the_holders_of_the_slots_are_blamed_for_the_queue(served: Served) -> None:
    """Each for at most the wait; one of them for most of it."""
    waits = [one["total_us"] / 1e3 for (cause, _), one in delays(served, "third").items() if cause == "slots"]
    queue_ms = served.row("third")["queue_ms"]
    assert queue_ms > 0
    assert len(waits) == 2
    assert 0.8 * queue_ms <= max(waits) <= queue_ms + 1


def test_pages_link_both_ways(served: Served) -> None:
    """The stream's page leads to the prompt's, and back."""
    assert 'href="/dashboard/requests/long"' in httpx.get(f"{served.base_url}/dashboard/requests/stream").text
    page = httpx.get(f"{served.base_url}/dashboard/requests/long").text
    assert 'href="/dashboard/requests/stream"' in page
    assert "Requests that waited for this one" in page


def test_traces_link_both_ways(served: Served, receiver: OtlpReceiver) -> None:
    """The stream's decode span links to the prompt's trace, and the prompt's prefill span to the stream's."""
    stream, prompt = (served.row(name)["trace_id"] for name in ("stream", "long"))
    assert ("held_up_by", "prefill", prompt) in _links(receiver, stream, "firsttoken.decode")
    assert ("held_up", "prefill", stream) in _links(receiver, prompt, "firsttoken.prefill")


def _links(receiver: OtlpReceiver, trace_id: str, name: str) -> set[tuple[str, str, str]]:
    def found() -> Span | None:
        return next(
            (span for span in list(receiver.spans) if span.trace_id.hex() == trace_id and span.name == name),
            None,
        )

    links = until(found, 20, f"{name} of {trace_id}").links
    told = [(attributes(link), link.trace_id.hex()) for link in links]
    return {
        (one["firsttoken.delay.direction"], one["firsttoken.delay.cause"], trace)
        for one, trace in told
        if one
    }


def test_the_metric_counts_what_the_rows_say(served: Served) -> None:
    """Seconds by cause on /metrics are the sum over the rows."""
    text = httpx.get(f"{served.base_url}/metrics").text
    for cause, total_us in (
        (row["cause"], row["us"])
        for row in served.rows("SELECT cause, sum(total_us) AS us FROM request_delays GROUP BY cause")
    ):
        (value,) = re.findall(rf'firsttoken_delay_time_seconds_total\{{cause="{cause}"[^}}]*\}} (\S+)', text)
        assert float(value) == pytest.approx(total_us / 1e6, abs=1e-4)
