"""Conversations in both databases: sums, order and turns of what the real writer wrote."""

from __future__ import annotations

import asyncio
import time

from telemetry.events import Status
from telemetry.recorder import Ended
from telemetry.store.engine import create_reader
from telemetry.store.queries import conversations
from telemetry.store.queries.conversations import ConversationPage, Turns
from telemetry.store.queries.requests import Cursor
from telemetry.store.writer import StoreSink
from tests.telemetry.records import CONFIG, ManualClock, answer, open_record, recorder


def serve(url: str) -> None:
    """`b`, `a`, `a`, none, and `a` refused before its prompt was counted."""
    clock = ManualClock()
    sink = StoreSink(url, 1000, batch_s=0.01)
    sink.start()
    sink.engine_config(CONFIG)
    rec = recorder(clock, sink, wall_ns=time.time_ns())
    for number, name in enumerate(["b", "a", "a", None, "a"]):
        record = open_record(rec, clock, f"r{number}")
        record.conversation_id, record.engine_config_id = name, CONFIG.config_id
        if number < 4:
            answer(rec, clock, record)
        rec.close(
            record, Ended(Status.OK, 200) if number < 4 else Ended(Status.ERROR, 400, "invalid_request")
        )
    assert sink.stop(30)


def test_conversations_of_the_real_writer(url: str) -> None:
    """The newest turn decides the order; what was not counted is in no sum; requests without a
    conversation are in none.
    """
    serve(url)

    async def read() -> tuple[ConversationPage, ConversationPage, ConversationPage, Turns]:
        reader = create_reader(url)
        try:
            first = await conversations.page(reader, Cursor(), 1)
            assert first.older is not None
            second = await conversations.page(reader, first.older, 1)
            assert second.newer is not None
            return (
                first,
                second,
                await conversations.page(reader, second.newer, 1),
                await conversations.turns(reader, "a"),
            )
        finally:
            await reader.dispose()

    first, second, back, turns = asyncio.run(read())
    (found,) = first.conversations
    assert (found.last.id, found.turns, found.failed, found.n_ctx) == ("r4", 3, 1, CONFIG.n_ctx)
    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens, found.served_tokens) == (
        1200,
        8,
        200,
        1200,
    )
    assert [one.last.id for one in second.conversations] == ["r0"]
    assert (second.older, first.newer) == (None, None)
    assert back.conversations[0].last.id == "r4"
    assert [row.id for row in turns.rows] == ["r1", "r2", "r4"]
    assert (turns.total, turns.first_number, turns.n_ctx(turns.rows[0])) == (3, 1, CONFIG.n_ctx)


def test_long_ids_stay_apart_and_are_found_whole(url: str) -> None:
    """Two that differ behind the column's width are two conversations; each is found by what the client
    sent and by what the list says.
    """
    clock = ManualClock()
    sink = StoreSink(url, 1000, batch_s=0.01)
    sink.start()
    rec = recorder(clock, sink, wall_ns=time.time_ns())
    names = ["chat-" + "é" * 200 + end for end in "ab"]
    for name in names:
        record = open_record(rec, clock)
        record.conversation_id = name
        rec.close(record, Ended(Status.OK, 200))
    assert sink.stop(30)

    async def read() -> tuple[ConversationPage, list[Turns]]:
        reader = create_reader(url)
        try:
            listed = await conversations.page(reader, Cursor())
            kept = [one.last.conversation_id or "" for one in listed.conversations]
            return listed, [
                await conversations.turns(reader, name) for name in (*names, *kept, names[0][:128])
            ]
        finally:
            await reader.dispose()

    listed, found = asyncio.run(read())
    assert [one.turns for one in listed.conversations] == [1, 1]
    assert [turns.total for turns in found] == [1, 1, 1, 1, 0]
    assert found[0].rows[0].seq != found[1].rows[0].seq
