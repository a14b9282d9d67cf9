"""Conversations: requests that share a `conversation_id`, newest first, and the turns of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import aliased

from telemetry.shortened import shortened
from telemetry.store.models import EngineConfigRow, RequestRow
from telemetry.store.queries.reading import fetch
from telemetry.store.queries.requests import Cursor

PAGE_SIZE = 50
"""Conversations on one page."""

MAX_TURNS = 200
"""Turns on one page of a conversation."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation: its last turn, and sums over all of
    them. Tokens are None where no turn's were counted.

    `cached_tokens` and `served_tokens` are of the turns that got their first token; their quotient is the
    cached share (`queries.cached`).
    """

    last: RequestRow
    first_seq: int
    turns: int
    failed: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    served_tokens: int | None
    n_ctx: int | None


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """One page, by last turn; `older` and `newer` lead to the neighbours, None where there is none."""

    conversations: list[Conversation]
    older: Cursor | None
    newer: Cursor | None


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns of one conversation in order, `total` of all;
    `first_number` is the number of the first one here (from 1).

    `contexts` are the tokens that a sequence of an engine configuration holds, by its id.
    """

    rows: list[RequestRow]
    first_number: int
    total: int
    contexts: Mapping[str, int]

    def n_ctx(self, row: RequestRow) -> int | None:
        """The context that a turn ran in; None where no engine took it."""
        return self.contexts.get(row.engine_config_id or "")


async def page(engine: AsyncEngine, cursor: Cursor, size: int = PAGE_SIZE) -> ConversationPage:
    """One page of conversations; the cursor is the `seq` of a last turn.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    backwards = cursor.after is not None
    found = [tuple(row) for row in await fetch(engine, _last_turns(cursor, size + 1))]
    more, last = len(found) > size, found[:size]
    if backwards:
        last.reverse()
    if not last:
        return ConversationPage([], None, None)
    has_older, has_newer = more or backwards, more if backwards else cursor.before is not None
    return ConversationPage(
        await _summaries(engine, [seq for _, seq in last]),
        older=Cursor(before=last[-1][1]) if has_older else None,
        newer=Cursor(after=last[0][1]) if has_newer else None,
    )


def _last_turns(cursor: Cursor, limit: int) -> Select[*tuple[Any, ...]]:
    """Conversation and its last `seq`: turns in order, without those that another one followed, so that no
    more is read than shown.
    """
    later = aliased(RequestRow)
    followed = exists().where(later.conversation_id == RequestRow.conversation_id, later.seq > RequestRow.seq)
    statement = select(RequestRow.conversation_id, RequestRow.seq).where(
        RequestRow.conversation_id.is_not(None), ~followed
    )
    if cursor.after is not None:
        return statement.where(RequestRow.seq > cursor.after).order_by(RequestRow.seq).limit(limit)
    if cursor.before is not None:
        statement = statement.where(RequestRow.seq < cursor.before)
    return statement.order_by(RequestRow.seq.desc()).limit(limit)


async def _summaries(engine: AsyncEngine, last_seqs: Sequence[int]) -> list[Conversation]:
    """The conversations whose last turns these are, in this order."""
    rows = {
        row[0].seq: row[0]
        for row in await fetch(engine, select(RequestRow).where(RequestRow.seq.in_(last_seqs)))
    }
    ids = [row.conversation_id for row in rows.values()]
    sums: dict[str, tuple[Any, ...]] = {row[0]: tuple(row[1:]) for row in await fetch(engine, _sums(ids))}
    contexts = await _contexts(engine, [row.engine_config_id for row in rows.values()])
    kept = [rows[seq] for seq in last_seqs if seq in rows and rows[seq].conversation_id in sums]
    return [
        _conversation(row, sums[row.conversation_id], contexts.get(row.engine_config_id or ""))
        for row in kept
    ]


def _conversation(last: RequestRow, sums: tuple[Any, ...], n_ctx: int | None) -> Conversation:
    """From the columns of `_sums` behind the id."""
    first_seq, turns, failed, prompt, completion, cached, served = sums
    return Conversation(last, first_seq, turns, failed, prompt, completion, cached, served, n_ctx)


def _sums(ids: Sequence[str]) -> Select[*tuple[Any, ...]]:
    served = RequestRow.cached_tokens.is_not(None) & RequestRow.ttft_ms.is_not(None)
    return (
        select(
            RequestRow.conversation_id,
            func.min(RequestRow.seq),
            func.count(),
            func.count().filter(RequestRow.status.in_(["error", "interrupted"])),
            func.sum(RequestRow.prompt_tokens),
            func.sum(RequestRow.completion_tokens),
            func.sum(RequestRow.cached_tokens).filter(served),
            func.sum(RequestRow.prompt_tokens).filter(served),
        )
        .where(RequestRow.conversation_id.in_(ids))
        .group_by(RequestRow.conversation_id)
    )


async def turns(
    engine: AsyncEngine, conversation_id: str, before: int | None = None, limit: int = MAX_TURNS
) -> Turns:
    """The newest turns of a conversation (those before a `seq`), oldest first; no rows where there is no such
    conversation. Its id is taken as clients sent it, or as it is stored.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    of_it = RequestRow.conversation_id == shortened(conversation_id)
    upto = of_it if before is None else of_it & (RequestRow.seq < before)
    found = [
        row[0]
        for row in await fetch(
            engine, select(RequestRow).where(upto).order_by(RequestRow.seq.desc()).limit(limit)
        )
    ]
    found.reverse()
    counts = await fetch(engine, select(func.count(), func.count().filter(upto)).where(of_it))
    total, reached = int(counts[0][0]), int(counts[0][1])
    contexts = await _contexts(engine, [row.engine_config_id for row in found])
    return Turns(found, reached - len(found) + 1, total, contexts)


async def _contexts(engine: AsyncEngine, config_ids: Sequence[str | None]) -> dict[str, int]:
    wanted = {config_id for config_id in config_ids if config_id}
    if not wanted:
        return {}
    found = await fetch(
        engine, select(EngineConfigRow.id, EngineConfigRow.n_ctx).where(EngineConfigRow.id.in_(wanted))
    )
    return {row[0]: int(row[1]) for row in found}
