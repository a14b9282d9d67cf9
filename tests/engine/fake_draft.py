"""A fake draft model, and the rig with one."""

from __future__ import annotations

from typing import Any, TypedDict

from gateway.engine.backend import BackendError, Batch
from gateway.engine.speculative.choice import DraftCosts
from gateway.engine.speculative.draft_model import DraftModel
from gateway.engine.speculative.drafting import Drafting
from tests.engine.fakes import TOKEN_NS, FakeBackend, FakeVocabulary
from tests.engine.rig import Rig


class FakeDraft(FakeBackend):
    """A draft model that is wrong wherever the length so far is below `wrong` modulo `among`, and takes
    `round_tokens` (of the fake clock) for each batch and `row_tokens` for each token in it.
    """

    def __init__(self, slots: int, *, wrong: int = 0, among: int = 10, period: int = 0) -> None:
        super().__init__(slots, period=period)
        self.wrong, self.among = wrong, among
        self.round_tokens, self.row_tokens = 0.5, 0.5
        self.spent_ns = 0.0

    def compute(self, batch: Batch) -> dict[int, list[int]]:
        self.spent_ns += TOKEN_NS * (
            self.round_tokens + self.row_tokens * sum(len(part.tokens) for part in batch.parts)
        )
        return super().compute(batch)

    def next_token(self, held: list[int]) -> int:
        """As the model does, or one more."""
        return super().next_token(held) + (len(held) % self.among < self.wrong)


class Sizes(TypedDict, total=False):
    """Of a rig; the rest as it has them."""

    slots: int
    n_ctx: int
    max_batch: int
    max_stall_tokens: int
    period: int
    step_tokens: int


class DraftRig(Rig):
    """As the decode loop does with a draft model, whose time is on the clock too; `failures` counts how
    often it failed.
    """

    def __init__(
        self, draft: FakeDraft, *, slots: int = 4, n_ctx: int = 512, draft_tokens: int = 8, **more: Any
    ) -> None:
        self.draft = draft
        self.failures = 0
        self.draft_model = DraftModel(
            draft,
            slots,
            n_vocab=10**9,
            is_end=FakeVocabulary().is_end,
            clock_ns=lambda: int(self.now_ns + draft.spent_ns),
        )
        costs = DraftCosts(
            TOKEN_NS * draft.round_tokens, TOKEN_NS * draft.row_tokens, TOKEN_NS * draft.row_tokens
        )
        self.drafting = Drafting(
            self.draft_model.states, costs, max_tokens=draft_tokens, n_ctx=n_ctx, max_feed=64
        )
        super().__init__(slots=slots, n_ctx=n_ctx, drafting=self.drafting, **more)

    def _draft(self, batch: Batch) -> Batch:
        if not batch.draft_requests:
            return batch
        try:
            return self.scheduler.drafting.take(batch, self.draft_model.draft(batch.draft_requests))
        except BackendError:
            self.failures += 1
            self.scheduler.drafting.stop()
            return batch
        finally:
            self.now_ns, self.draft.spent_ns = int(self.now_ns + self.draft.spent_ns), 0.0
