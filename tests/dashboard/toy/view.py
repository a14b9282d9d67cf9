"""`/dashboard/toy`: how many requests run now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from dashboard.deps import DashboardDeps
from dashboard.page import PageView, Query
from tests.dashboard.toy.context import ToyContext


@dataclass(slots=True)
class ToyView(PageView):
    """The requests of one model."""

    deps: DashboardDeps
    model: str

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The model that an address names."""
        return cls(deps, query["model"])

    @property
    def stream_query(self) -> Query:
        return {"model": self.model}

    def context(self) -> ToyContext:
        running = [one for one in self.deps.live.running() if self.model in ("", one.model)]
        return ToyContext(self.model, len(running))
