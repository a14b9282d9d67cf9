"""Contents in a real database: redacted, with their requests, with a retention of their own; a failure
costs only the content.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import pytest

from telemetry.content import Content
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended
from telemetry.redact import Redactor
from telemetry.store import content_retention, contents
from telemetry.store.contents import Capture, StoredText
from telemetry.store.engine import create_reader
from telemetry.store.inspection import contents as contents_of
from telemetry.store.queries import requests as queries
from telemetry.store.retention import Retention
from telemetry.store.writer import StoreSink
from tests.store.test_retention import DAY_MS, count, keep, query
from tests.telemetry.records import ManualClock, answer, open_record, recorder

SECRET = "sk-proj-a1B2c3D4e5F6g7H8i9J0"
LONG = "word " * 400


def capture(max_text_chars: int = 1000) -> Capture:
    return Capture(Redactor(), max_text_chars)


def chat(number: int = 0) -> Content:
    messages: list[Mapping[str, object]] = [
        {"role": "system", "content": f"You are terse. My key is {SECRET}."},
        {"role": "user", "content": [{"type": "text", "text": f"question {number} from ann@example.com"}]},
        {"role": "user", "content": LONG, "name": "ann"},
    ]
    return Content(messages, ["An ", f"answer with {SECRET[:12]}", SECRET[12:]])


def write(
    url: str,
    requests: int,
    *,
    first_days_ago: float = 0.5,
    apart_ms: float = 1000,
    kept: Capture | None = None,
) -> StoreSink:
    """Ended requests with contents, evenly apart, through the real recorder and writer."""
    clock = ManualClock()
    sink = StoreSink(url, requests * 2 + 10, batch_s=0.01, capture=kept or capture())
    sink.start()
    rec = recorder(clock, sink, wall_ns=time.time_ns() - round(first_days_ago * DAY_MS * 1e6))
    for number in range(requests):
        began_ns = clock.now_ns
        record = open_record(rec, clock, f"req-{number}")
        record.content = chat(number)
        rec.admit(record)
        answer(rec, clock, record)
        rec.close(record, Ended(Status.OK, 200))
        clock.now_ns = began_ns + round(apart_ms * 1e6)
    assert sink.stop(60)
    return sink


def detail(url: str, request_id: str) -> queries.RequestDetail:
    async def read() -> queries.RequestDetail | None:
        engine = create_reader(url)
        found = await queries.one(engine, request_id)
        await engine.dispose()
        return found

    found = asyncio.run(read())
    assert found is not None
    return found


def test_what_was_said_is_kept_redacted(url: str) -> None:
    """Messages and answer come back without the secrets, also one that came in two pieces; what is too
    long says how much is missing.
    """
    sink = write(url, 1)
    content = detail(url, "req-0").content
    assert content is not None
    assert content.messages[0] == StoredText("system", "You are terse. My key is [redacted: key].")
    assert "question 0 from [redacted: e-mail]" in content.messages[1].text
    assert content.messages[2] == StoredText("user", LONG[:1000], len(LONG) + len('\n{"name":"ann"}') - 1000)
    assert content.answer == StoredText("assistant", "An answer with [redacted: key]")
    assert (sink.health().dropped, sink.health().summary) == (0, "ok")
    assert query(url, "SELECT sum(size_bytes) - sum(length(content)) FROM request_contents") == [(0,)]


def test_nothing_is_kept_unless_asked(url: str) -> None:
    """Without a capture there is no content, whatever a record has; the recorder does not even note it."""
    clock = ManualClock()
    sink = StoreSink(url, 100, batch_s=0.01)
    sink.start()
    rec = recorder(clock, sink)
    record = open_record(rec, clock, "req-0")
    rec.prompt(record, [{"role": "user", "content": SECRET}])
    rec.text(record, SECRET)
    assert record.content is None
    rec.close(record, Ended(Status.OK, 200))
    assert sink.stop(10)
    assert count(url, "request_contents") == 0
    assert detail(url, "req-0").content is None


def test_contents_have_a_retention_of_their_own(url: str) -> None:
    """Older contents go and their requests stay."""
    write(url, 20, first_days_ago=9.75, apart_ms=DAY_MS / 2)
    pruner = keep(url, Retention(content_days=5))
    assert (count(url, "requests"), count(url, "request_contents")) == (20, 10)
    assert (pruner.pruned, pruner.contents_pruned) == (0, 10)
    assert detail(url, "req-0").content is None
    assert detail(url, "req-19").content is not None


def test_contents_have_a_cap_of_their_own(url: str) -> None:
    """Above the cap the oldest go until nine tenths of it are used."""
    write(url, 30)
    used = int(str(query(url, "SELECT sum(size_bytes) FROM request_contents")[0][0]))
    keep(url, Retention(content_max_bytes=used))
    assert count(url, "request_contents") == 30
    keep(url, Retention(content_max_bytes=used // 2))
    left = int(str(query(url, "SELECT sum(size_bytes) FROM request_contents")[0][0]))
    assert used * 0.4 < left <= used * 0.45
    assert detail(url, "req-29").content is not None
    assert count(url, "requests") == 30


def test_contents_go_with_their_requests(url: str) -> None:
    """A request that is forgotten takes what was said in it along."""
    write(url, 20, first_days_ago=9.75, apart_ms=DAY_MS / 2)
    keep(url, Retention(request_days=5))
    assert (count(url, "requests"), count(url, "request_contents")) == (10, 10)


def test_a_content_that_cannot_be_kept_is_a_counted_drop(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request is recorded all the same."""
    original = Capture.encode

    def fail_on_second(self: Capture, content: Content) -> bytes:
        if "question 1" in str(content.messages):
            raise ValueError("cannot")
        return original(self, content)

    monkeypatch.setattr(Capture, "encode", fail_on_second)
    sink = write(url, 3)
    assert (count(url, "requests"), count(url, "request_contents"), sink.health().dropped) == (3, 2, 1)


def test_what_waits_is_bounded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the writer cannot keep up, contents are dropped and counted, requests are not; room that was
    written is free again.
    """
    monkeypatch.setattr(contents, "MAX_WAITING_CHARS", 3 * chat().size_chars)
    kept, clock = capture(), ManualClock()
    sink = StoreSink(url, 100, batch_s=0.01, capture=kept)
    rec = recorder(clock, sink)

    def complete(name: str) -> RequestRecord:
        record = open_record(rec, clock, name)
        record.content = chat()
        rec.close(record, Ended(Status.OK, 200))
        return record

    records = [complete(f"early-{number}") for number in range(5)]
    assert sink.health().dropped == 2
    assert {record.content for record in records} == {None}
    sink.start()
    deadline = time.monotonic() + 10
    while count(url, "request_contents") < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    complete("late")
    assert sink.stop(10)
    assert (count(url, "requests"), count(url, "request_contents"), sink.health().dropped) == (6, 4, 2)


def test_bytes_are_told(url: str) -> None:
    """What `db stats` shows."""
    write(url, 3)

    async def read() -> tuple[int, int]:
        engine = create_reader(url)
        found = await contents_of(engine)
        await engine.dispose()
        return found.rows["request_contents"], found.content_bytes

    rows, used = asyncio.run(read())
    assert rows == 3
    assert (used,) == query(url, "SELECT sum(size_bytes) FROM request_contents")[0]


def test_many_contents_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fit into one transaction, written and forgotten: all of them, in several."""
    monkeypatch.setattr("telemetry.store.event_queue.MAX_BATCH_CONTENTS", 7)
    monkeypatch.setattr(content_retention, "CHUNK_BYTES", 1000)
    write(url, 40, first_days_ago=9, apart_ms=1000)
    assert (count(url, "requests"), count(url, "request_contents")) == (40, 40)
    pruner = keep(url, Retention(content_days=5))
    assert (count(url, "requests"), count(url, "request_contents"), pruner.contents_pruned) == (40, 0, 40)
