"""`/dashboard/conversations/{conversation_id}`: one conversation, turn by turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from dashboard.charts.turns import turn_charts
from dashboard.deps import DashboardDeps
from dashboard.page import Query, StoreView
from dashboard.pages.conversation.context import ConversationContext, TurnRow
from dashboard.pages.paging import chosen_seq
from dashboard.words.forecast import Forecast, forecast
from telemetry.store.models import RequestRow
from telemetry.store.queries import conversations as queries
from telemetry.store.queries.conversations import Turns

URL = "/dashboard/conversations"

NO_TURNS = Turns([], 1, 0, {})


@dataclass(slots=True)
class ConversationView(StoreView):
    """One conversation, whose id may hold any character: its newest turns, or those before one.

    404 when there is none, 503 when the store cannot be read.
    """

    deps: DashboardDeps
    conversation_id: str
    before: int | None = None
    found: Turns = NO_TURNS

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The conversation that an address names."""
        return cls(deps, query["conversation_id"], chosen_seq("before", query["before"]))

    @property
    def subject(self) -> str:
        return self.conversation_id

    @property
    def status(self) -> int:
        if self.error:
            return 503
        return 200 if self.found.total else 404

    @property
    def stream_query(self) -> Query | None:
        return {"conversation_id": self.conversation_id} if self.before is None else None

    async def read(self) -> None:
        self.found = await queries.turns(self.deps.reader, self.conversation_id, self.before)

    def context(self) -> ConversationContext:
        found, turns = self.found, turn_rows(self.found)
        url = f"{URL}/{quote(self.conversation_id, safe='')}"
        return ConversationContext(
            conversation_id=self.conversation_id,
            found=found.total > 0,
            turns=turns,
            total=found.total,
            charts=turn_charts(turns),
            forecast=self._forecast(turns),
            older_url=f"{url}?before={turns[0].row.seq}" if turns and found.first_number > 1 else "",
            newest_url=url if self.before is not None else "",
            store_error=self.error,
        )

    def _forecast(self, turns: tuple[TurnRow, ...]) -> Forecast | None:
        """The forecast, of the newest turns alone."""
        if not turns or self.before is not None:
            return None
        return forecast([turn.used for turn in turns], turns[-1].n_ctx)


def turn_rows(found: Turns) -> tuple[TurnRow, ...]:
    """The turns with their numbers in the conversation."""
    numbered = enumerate(found.rows, found.first_number)
    return tuple(TurnRow(number, row, found.n_ctx(row), tokens_in_context(row)) for number, row in numbered)


def tokens_in_context(row: RequestRow) -> int | None:
    """Prompt and answer of a turn that was answered: what the next turn's prompt begins with."""
    if row.prompt_tokens is None or row.completion_tokens is None:
        return None
    return row.prompt_tokens + row.completion_tokens
