"""The context of one conversation's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dashboard.charts.over_time import TimeChart
from dashboard.words.forecast import Forecast
from telemetry.store.models import RequestRow


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One turn: its number from 1, its request, the context it ran in, and the tokens in it afterwards.

    `n_ctx` and `used` are None where they were not measured.
    """

    number: int
    row: RequestRow
    n_ctx: int | None
    used: int | None


@dataclass(frozen=True, slots=True)
class ConversationContext:
    """One conversation, turn by turn."""

    conversation_id: Annotated[str, "`metadata.conversation_id` as sent."]
    found: Annotated[bool, "Whether any request of it is recorded."]
    turns: Annotated[tuple[TurnRow, ...], "The turns of this page, oldest first."]
    total: Annotated[int, "How many turns there are in all."]
    charts: Annotated[tuple[TimeChart, ...], "TTFT, cached share and context fill, turn by turn."]
    forecast: Annotated[Forecast | None, "When the context will be full; None: too little was measured."]
    older_url: Annotated[str, "Earlier turns, or ''."]
    newest_url: Annotated[str, "The newest turns, or '' where these are."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
