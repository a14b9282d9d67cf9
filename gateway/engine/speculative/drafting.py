"""Speculative decoding by a draft model: says per step what it is to do, and learns whether that pays.

Pure, like the scheduler that asks it. Prompt lookup has been asked before: a sequence with a proposal of its
own is not drafted for. A request whose drafts do not pay is left alone by `choice.choose`; from time to
time, when a small share of the decoding time allows for it, a short draft probes whether that still holds.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass, replace

from gateway.engine.backend import Batch, DraftRequest, Part, StepResult
from gateway.engine.schedule.pace import MIN_CHUNK, Pace
from gateway.engine.sequence.sequence import Sequence
from gateway.engine.speculative.choice import (
    AcceptanceRate,
    DraftCandidate,
    DraftCosts,
    PlannedStep,
    RequestDrafts,
    choose,
)
from gateway.engine.speculative.draft_model import Drafts, DraftStates
from gateway.engine.speculative.prompt_lookup import MARGIN
from telemetry.drafts import DraftSource

NEAR = 4
"""So many tokens that a slot lacks are computed with the first guess; more are caught up with before, if that
pays in the long run.
"""

HOPED_TOKENS = 128
"""A request is expected to go on for as many tokens as it has, or these."""

PLAIN_EVERY = 32
"""One step in so many is without drafts, so that what such a step takes stays known."""

PROBE_SHARE = 0.01
"""Of decoding time, for drafts that are not expected to pay."""

PROBE_TOKENS = 2
MAX_CREDIT_NS = 2_000_000_000
MAX_DOUBLINGS = 12


RoomFor = Callable[[Sequence, int], int]
"""The number of guesses that a sequence has room for beside so many that decode."""


@dataclass(slots=True)
class _Candidate:
    """A sequence that could be given `max_guesses`, and the number of its tokens that its slot of the draft
    model lacks.
    """

    sequence: Sequence
    drafts: RequestDrafts
    slot: int
    max_guesses: int
    missing_tokens: int

    @property
    def candidate(self) -> DraftCandidate:
        return DraftCandidate(self.drafts.rate, self.missing_tokens - 1)

    def draft_request(self, catch_up: int, guesses: int = 0) -> DraftRequest:
        tokens = self.sequence.progress.tokens
        return DraftRequest(self.slot, tokens, catch_up, min(guesses, self.max_guesses))


class NoDrafting:
    """The stand-in where there is no draft model: nothing is ever asked of it."""

    def draft_requests(self, batch: Batch, _decoding: Items[Sequence], _room: RoomFor, _pace: Pace) -> Batch:
        """A planned batch, with what is to be drafted for it. `batch.parts` begin with those of the decoding
        sequences.
        """
        return batch

    def take(self, batch: Batch, _drafts: Drafts) -> Batch:
        """The batch with what was drafted for it."""
        return batch

    def learn(self, _batch: Batch, _result: StepResult, _pace: Pace) -> None:
        """Take in what a computed batch says of its drafts."""

    def stop(self) -> None:
        """The draft model failed: it is not asked again."""


class Drafting(NoDrafting):
    """With a draft model: `states` is what it holds, `n_ctx` what one of its slots can hold, `max_feed` what
    it computes at once, `max_tokens` the longest draft.
    """

    def __init__(
        self,
        states: DraftStates,
        costs: DraftCosts,
        *,
        max_tokens: int,
        n_ctx: int,
        max_feed: int,
    ) -> None:
        self.costs = costs
        self.acceptance = AcceptanceRate()
        self.credit_ns = 0.0
        self._states = states
        self._max_tokens = max_tokens
        self._n_ctx = n_ctx
        self._max_feed = max_feed
        self._stopped = False
        self._since_plain = 0
        self._probing = False
        self._asked: dict[int, RequestDrafts] = {}

    def draft_requests(self, batch: Batch, decoding: Items[Sequence], room: RoomFor, pace: Pace) -> Batch:
        self._asked, self._probing = {}, False
        if self._stopped or batch.adapter or not decoding or len(decoding) < len(batch.parts):
            return batch  # prompts in the batch would wait for drafts
        candidates = self._candidates(batch, decoding, room)
        if not candidates:
            return batch
        if not pace.expect(len(decoding)) or self._since_plain >= PLAIN_EVERY:
            return _plain(batch)
        step = PlannedStep(len(decoding), batch.drafted, self._max_tokens)
        draft_requests = self._worthwhile(candidates, step, pace) or self._probe(candidates, pace)
        drafts = {candidate.slot: candidate.drafts for candidate in candidates}
        self._asked = {draft_request.slot: drafts[draft_request.slot] for draft_request in draft_requests}
        return replace(batch, draft_requests=tuple(draft_requests))

    def take(self, batch: Batch, drafts: Drafts) -> Batch:
        tokens, catching_up_ns = drafts.caught_up
        if tokens:
            self.costs.learn_catching_up(catching_up_ns, tokens)
        for rows, round_ns in drafts.rounds:
            self.costs.learn_round(round_ns, rows)
        guessed = sum(map(len, drafts.guesses.values()))
        rounds_ns = sum(round_ns for _, round_ns in drafts.rounds)
        for draft_request in batch.draft_requests:
            own_ns = rounds_ns * len(drafts.guesses.get(draft_request.slot, ())) / max(1, guessed)
            if tokens and not draft_request.guesses:
                own_ns += catching_up_ns * draft_request.catch_up / tokens
            self._asked[draft_request.slot].tally.saved_ns -= own_ns
        parts = [_with(part, drafts.guesses.get(part.slot, [])) for part in batch.parts]
        return replace(batch, parts=tuple(parts), draft_requests=())

    def learn(self, batch: Batch, result: StepResult, pace: Pace) -> None:
        for part in batch.parts:
            if part.source is DraftSource.DRAFT_MODEL:
                self._learn(self._asked[part.slot], part, len(result.sampled[part.slot]) - 1, batch, pace)
        if self._probing:
            self.credit_ns -= result.drafting_ns + (pace.draft_ns(batch.drafted) if batch.drafted else 0.0)
        if batch.prefill_tokens:
            return
        self._since_plain = self._since_plain + 1 if batch.drafted else 0
        if not batch.drafted:
            self.costs.forget()
        earned_ns = PROBE_SHARE * (result.end_ns - result.start_ns)
        self.credit_ns = min(MAX_CREDIT_NS, self.credit_ns + earned_ns)

    def stop(self) -> None:
        self._stopped = True

    def _learn(self, drafts: RequestDrafts, part: Part, accepted: int, batch: Batch, pace: Pace) -> None:
        drafts.learn(part.drafted, accepted, self.acceptance)
        verifying_ns = pace.draft_ns(batch.drafted) * part.drafted / batch.drafted
        drafts.tally.saved_ns += accepted * pace.decode_step_ns - verifying_ns
        if self._probing:
            drafts.failed_probes = 0 if accepted == part.drafted else drafts.failed_probes + 1

    def _candidates(self, batch: Batch, decoding: Items[Sequence], room: RoomFor) -> list[_Candidate]:
        """Those without a proposal by prompt lookup that have room for a draft, also in the draft model's
        context.
        """
        found = []
        for part, sequence in zip(batch.parts, decoding, strict=True):
            tokens = sequence.progress.tokens
            if part.drafted or len(tokens) + self._max_tokens > self._n_ctx:
                continue
            if (max_guesses := room(sequence, len(decoding))) > 0:
                sequence.drafts = sequence.drafts or RequestDrafts(self.acceptance.rate)
                missing_tokens = len(tokens) - self._states.common(part.slot, tokens)
                found.append(_Candidate(sequence, sequence.drafts, part.slot, max_guesses, missing_tokens))
        return found

    def _worthwhile(self, candidates: Items[_Candidate], step: PlannedStep, pace: Pace) -> list[DraftRequest]:
        """Drafts for those whose slots are near; those that are far behind catch up in the time left."""
        near = [one for one in candidates if one.missing_tokens <= NEAR]
        near.sort(key=lambda one: -one.drafts.rate)
        choice = choose([one.candidate for one in near], step, pace, self.costs)
        chosen = near[: choice.sequences]
        drafts = [one.draft_request(one.missing_tokens, choice.length) for one in chosen]
        room = self._room(pace, choice.step_ns or pace.decode_step_ns)
        far = [one for one in candidates if one.missing_tokens > NEAR]
        return drafts + self._catching_up(far, room, step, pace)

    def _catching_up(
        self,
        far: Items[_Candidate],
        room: int,
        step: PlannedStep,
        pace: Pace,
    ) -> list[DraftRequest]:
        """Those for which it pays catch up, the one that saves most first, with `room` tokens together."""
        draft_requests: list[DraftRequest] = []
        worth = [(self._worth_ns(one, step, pace), one) for one in far]
        for worth_ns, one in sorted(worth, key=lambda pair: -pair[0]):
            if worth_ns > 0 and room > 0:
                draft_requests.append(one.draft_request(min(one.missing_tokens, room)))
                room -= one.missing_tokens
        return draft_requests

    def _worth_ns(self, one: _Candidate, step: PlannedStep, pace: Pace) -> float:
        """The time (ns) that drafting for a sequence is expected to save until its end, less what catching up
        with it takes.
        """
        choice = choose([DraftCandidate(one.drafts.rate, 1)], step, pace, self.costs)
        ahead = min(one.max_guesses + 1, max(HOPED_TOKENS, one.sequence.progress.completion_tokens))
        steps = ahead / (1 + choice.gained)
        return steps * choice.saved_ns - MARGIN * one.missing_tokens * self.costs.token_ns

    def _room(self, pace: Pace, step_ns: float) -> int:
        """The number of tokens that can be caught up with in a step that takes so long without."""
        return min(self._max_feed, max(MIN_CHUNK, int((pace.max_stall_ns - step_ns) / self.costs.token_ns)))

    def _probe(self, candidates: Items[_Candidate], pace: Pace) -> list[DraftRequest]:
        """A short draft for the one that it costs least, if there is time for it; each in vain doubles the
        price.
        """

        def price_ns(one: _Candidate) -> float:
            guessing_ns = PROBE_TOKENS * self.costs.of_round(1) + pace.draft_ns(PROBE_TOKENS)
            doublings = min(MAX_DOUBLINGS, one.drafts.failed_probes)
            return (one.missing_tokens * self.costs.token_ns + guessing_ns) * 2.0**doublings

        cheapest = min(candidates, key=price_ns)
        if price_ns(cheapest) > self.credit_ns:
            return []
        self._probing = True
        missing_tokens = cheapest.missing_tokens
        if missing_tokens > NEAR:
            room = self._room(pace, pace.decode_step_ns)
            return [cheapest.draft_request(min(missing_tokens, room))]
        return [cheapest.draft_request(missing_tokens, PROBE_TOKENS)]


def _plain(batch: Batch) -> Batch:
    """The batch without any guesses, to see what such a step takes."""
    return replace(batch, parts=tuple(_without_guesses(part) for part in batch.parts))


def _without_guesses(part: Part) -> Part:
    tokens = part.tokens[: len(part.tokens) - part.drafted]
    return replace(part, tokens=tokens, drafted=0, source=None)


def _with(part: Part, guesses: Items[int]) -> Part:
    if not guesses:
        return part
    tokens = (*part.tokens, *guesses)
    return replace(part, tokens=tokens, drafted=len(guesses), source=DraftSource.DRAFT_MODEL)
