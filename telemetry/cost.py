"""The cost of a request by the prices that are set: of its energy, and of its tokens."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.events import Phase
from telemetry.record import RequestRecord

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in one currency, None where there is none. Prompt tokens
    from the cache cost as others where they have no own price.
    """

    per_kwh: float | None = None
    per_input_token: float | None = None
    per_output_token: float | None = None
    per_cached_input_token: float | None = None
    currency: str = ""

    @property
    def are_set(self) -> bool:
        """True where anything has a price."""
        return any(
            price is not None
            for price in (
                self.per_kwh,
                self.per_input_token,
                self.per_output_token,
                self.per_cached_input_token,
            )
        )

    def cost_of(self, record: RequestRecord) -> float | None:
        """The cost of a completed request; None without prices,
        and where energy has one and was not measured.
        """
        if not self.are_set or (self.per_kwh is not None and record.energy_j is None):
            return None
        return (record.energy_j or 0.0) / JOULES_PER_KWH * (self.per_kwh or 0.0) + self._tokens(record)

    def _tokens(self, record: RequestRecord) -> float:
        """A prompt that no engine began to compute costs nothing."""
        input_price = self.per_input_token or 0.0
        cached_price = input_price if self.per_cached_input_token is None else self.per_cached_input_token
        began = record.phase(Phase.PREFILL) is not None
        prompt, cached = (record.prompt_tokens or 0, record.cached_tokens or 0) if began else (0, 0)
        return (
            (prompt - cached) * input_price
            + cached * cached_price
            + (record.completion_tokens or 0) * (self.per_output_token or 0.0)
        )
