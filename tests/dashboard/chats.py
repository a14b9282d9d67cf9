"""Conversations for page tests: a long one that fills its context, short ones, and ids that are hard to
put into an address.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from telemetry.store.models import RequestRow
from tests.dashboard.samples import NOW, row

LONG = "support/chat 17?#%"
TURNS = 14
FAILED_TURN = 5
FIRST_TOKENS, STEP_TOKENS, ANSWER_TOKENS = 400, 450, 64


def turn(number: int, conversation: str = LONG, first: int = 5000) -> RequestRow:
    """Turn `number` (from 0) of the long chat: each prompt holds what was said before."""
    moment = NOW - timedelta(minutes=300 - 3 * number)
    prompt = FIRST_TOKENS + number * STEP_TOKENS
    made = row(
        moment, first + number, conversation_id=conversation, prompt_tokens=prompt,
        cached_tokens=prompt - STEP_TOKENS if number else 0, completion_tokens=ANSWER_TOKENS,
        cache_reason="appended" if number else "new_conversation", cache_source="kv" if number else "none",
        ttft_ms=180.0 + 4 * number, context_bucket="1k-2k",
    )  # fmt: skip
    if number == FAILED_TURN:
        made.status, made.error_type, made.ttft_ms, made.completion_tokens, made.cached_tokens = (
            "error",
            "engine_unavailable",
            None,
            None,
            None,
        )
        made.cache_reason = made.cache_source = made.decode_tps = None
    return made


async def fill_chats(engine: AsyncEngine) -> None:
    """The long chat, and three short ones that are older."""
    async with AsyncSession(engine) as session:
        session.add_all(turn(number) for number in range(TURNS))
        for chat in range(3):
            moment = NOW - timedelta(hours=10 + chat)
            session.add_all(
                row(moment + timedelta(minutes=n), 6000 + 10 * chat + n, conversation_id=f"short-{chat}")
                for n in range(chat + 1)
            )
        await session.commit()
