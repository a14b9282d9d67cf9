"""One cached share: whatever asks the store or `/metrics` gets the same one, whatever else was refused or
cancelled meanwhile.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from telemetry.events import CacheOutcome, CacheReason, CacheSource, Status
from telemetry.metrics.sink import MetricsSink
from telemetry.recorder import Ended, Recorder
from telemetry.store.engine import create_reader
from telemetry.store.queries import conversations
from telemetry.store.queries.cached import cache_share
from telemetry.store.queries.ledger import ledger
from telemetry.store.queries.report import report
from telemetry.store.queries.requests import Cursor
from telemetry.store.queries.windows import WINDOWS, By
from telemetry.store.writer import StoreSink
from tests.telemetry.records import MODEL, ManualClock, answer, open_record, recorder

SERVED = 3
REFUSED = Ended(Status.ERROR, 400, "context_length_exceeded")
LEFT = Ended(Status.CANCELLED, 499, "client_disconnect")


def mixed(rec: Recorder, clock: ManualClock) -> None:
    """Three answered chats of 600 tokens, 100 of them cached; one too long, and two that left: one in the
    queue, one in prefill.
    """
    for end in (*[Ended(Status.OK, 200)] * SERVED, REFUSED, LEFT, LEFT):
        record = open_record(rec, clock)
        record.conversation_id = "chat"
        rec.admit(record)
        if end.status is Status.OK:
            answer(rec, clock, record)
        else:
            rec.tokens(record, 6000)
        rec.close(record, end)
    record = open_record(rec, clock)
    record.conversation_id = "chat"
    rec.admit(record)
    rec.tokens(record, 600)
    record.cache = CacheOutcome(500, CacheSource.RAM, CacheReason.APPENDED, 500, 2)
    rec.close(record, LEFT)


def test_there_is_one_cached_share(url: str) -> None:
    """Of the prompt tokens of requests that got their first token, by every way to ask."""
    clock, metrics = ManualClock(), MetricsSink(lambda: [MODEL])
    sink = StoreSink(url, 1000, batch_s=0.01)
    sink.start()
    mixed(recorder(clock, sink, metrics, wall_ns=time.time_ns()), clock)
    assert sink.stop(30)

    async def ask() -> dict[str, float | None]:
        engine, window, now_s = create_reader(url), WINDOWS["all"], time.time() + 60
        found = {f"report by {by}": (await report(engine, window, by, now_s)) for by in By}
        assert {
            name: sum(row.served_prompt_tokens for row in rows) for name, rows in found.items()
        } == dict.fromkeys(found, 600 * SERVED)
        shares: dict[str, float | None] = {
            name: next(row.cached_share for row in rows if row.cached_share is not None)
            for name, rows in found.items()
        }
        entries = await ledger(engine, window, now_s)
        shares["ledger"] = sum(e.cached_tokens for e in entries) / sum(
            e.cached_tokens + e.computed_tokens for e in entries
        )
        shares["overview"] = (await cache_share(engine, window, now_s)).share
        chat = (await conversations.page(engine, Cursor())).conversations[0]
        assert (chat.turns, chat.prompt_tokens) == (SERVED + 4, 600 * (SERVED + 1) + 3 * 6000)
        shares["conversation"] = (chat.cached_tokens or 0) / (chat.served_tokens or 1)
        await engine.dispose()
        return shares

    found = asyncio.run(ask())
    registry = metrics.prometheus.registry
    labels = {"gen_ai_request_model": MODEL, "reason": "appended"}
    hits = registry.get_sample_value("firsttoken_prefix_cache_hits_total", {**labels, "source": "kv"})
    queries = registry.get_sample_value("firsttoken_prefix_cache_queries_total", labels)
    assert queries == 600 * SERVED
    assert hits is not None
    assert {**found, "metrics": hits / queries} == dict.fromkeys([*found, "metrics"], pytest.approx(1 / 6))
