"""Records that the database cannot take: only they are lost, they are counted, and the writer goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended, Recorder
from telemetry.shortened import shortened
from telemetry.store.writer import StoreSink
from tests.store.templates import new_database
from tests.store.test_store import rows, url_of, wait_for
from tests.telemetry.records import CONFIG, ManualClock, answer, open_record, recorder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database at the newest revision."""
    file = tmp_path / "firsttoken.db"
    new_database(file)
    return file


def _too_large(record: RequestRecord) -> None:
    """SQLite's driver raises OverflowError, which is no database error."""
    record.completion_tokens = 2**70


def _no_phases(record: RequestRecord) -> None:
    """A defect of ours: AttributeError while the row is made."""
    record.phases.append(None)  # type: ignore[arg-type]


def _not_bindable(record: RequestRecord) -> None:
    """The database's own refusal of a value."""
    record.api = object()  # type: ignore[assignment]


SPOIL: list[Callable[[RequestRecord], None]] = [_too_large, _no_phases, _not_bindable]


def _complete(
    rec: Recorder, clock: ManualClock, name: str, spoil: Callable[[RequestRecord], None] | None = None
) -> None:
    record = open_record(rec, clock, name)
    rec.admit(record)
    answer(rec, clock, record)
    if spoil is not None:
        record.ended_ns = clock()
        record.status, record.http_status = Status.OK, 200
        spoil(record)
        for _, complete in rec._listeners["completed"]:
            complete(record)
        return
    rec.close(record, Ended(Status.OK, 200))


@pytest.mark.parametrize("spoil", SPOIL)
def test_one_bad_record_is_lost_alone(spoil: Callable[[RequestRecord], None], path: Path) -> None:
    """Of 40 requests in one batch the bad one is dropped and counted; the others are complete, and so are
    the roll-ups.
    """
    sink = StoreSink(url_of(path), 1000, batch_s=5)
    clock = ManualClock()
    rec = recorder(clock, sink)
    sink.engine_config(CONFIG)
    for n in range(40):
        _complete(rec, clock, f"r{n}", spoil if n == 17 else None)
    sink.start()
    assert sink.stop(20)
    assert sink.health().dropped == 1
    assert rows(path, "select count(*) from requests where status = 'ok'") == [(39,)]
    assert rows(path, "select sum(requests), sum(completion_tokens) from rollups") == [(39, 39 * 4)]
    assert rows(path, "select count(*) from request_phases") == [(39,)]
    told = rows(path, "select error_type, error_message from requests where id = 'r17'")
    assert told == [
        (
            "record_lost",
            "It ended as ok (HTTP 200); the store did not take its record, and its figures are lost.",
        )
    ]
    assert rows(path, "select id, status from requests where status <> 'ok'") == [("r17", "interrupted")]


@pytest.mark.parametrize("spoil", SPOIL)
def test_the_writer_goes_on(spoil: Callable[[RequestRecord], None], path: Path) -> None:
    """After a bad record the thread lives, says what was wrong, and writes the next one."""
    sink = StoreSink(url_of(path), 1000, batch_s=0.01)
    sink.start()
    clock = ManualClock()
    rec = recorder(clock, sink)
    _complete(rec, clock, "bad", spoil)
    wait_for(path, "select id, status from requests", [("bad", "interrupted")])
    _complete(rec, clock, "good")
    wait_for(path, "select id from requests where status = 'ok'", [("good",)])
    assert sink.stop(5)
    assert sink.health().dropped == 1
    assert sink.health().summary == "ok"


def test_an_event_that_is_none_does_not_end_the_thread(path: Path) -> None:
    """Something that should never have come into the queue costs itself only."""
    sink = StoreSink(url_of(path), 1000, batch_s=0.01)
    sink._queue.append({})
    sink.start()
    clock = ManualClock()
    _complete(recorder(clock, sink), clock, "good")
    wait_for(path, "select id, status from requests", [("good", "ok")])
    assert sink.stop(5)
    assert sink.health().dropped == 1


def test_texts_that_no_database_takes(path: Path) -> None:
    """NUL and halves of surrogate pairs are taken out of every text, and long ones are shortened."""
    sink = StoreSink(url_of(path), 1000, batch_s=0.01)
    sink.start()
    clock = ManualClock()
    rec = recorder(clock, sink)
    record = open_record(rec, clock, "odd")
    record.model, record.conversation_id, record.finish_reason = (
        "mo\x00del",
        "c\x00" + "x" * 300,
        "st\udc00op",
    )
    rec.close(record, Ended(Status.ERROR, 400, "bad\x00type", "mess\x00age \ud800"))
    query = "select model, conversation_id, finish_reason, error_type, error_message from requests"
    wait_for(path, query, [("model", shortened("c\x00" + "x" * 300), "st?op", "badtype", "message ?")])
    assert sink.stop(5)
    assert sink.health().dropped == 0
