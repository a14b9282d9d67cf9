"""A sequence: one request inside the engine, with all that comes of it."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import InitVar, dataclass, field
from itertools import zip_longest

from gateway.engine.backend import Vocabulary
from gateway.engine.cache.entry import Entry
from gateway.engine.delays import Delays
from gateway.engine.grammar.errors import MatcherError
from gateway.engine.grammar.matcher import Matcher
from gateway.engine.protocol import Finished, Started, Timing
from gateway.engine.sequence.lookup import Lookup
from gateway.engine.sequence.progress import Progress
from gateway.engine.sequence.request import GenerationRequest
from gateway.engine.sequence.stamps import Stamps
from gateway.engine.speculative.choice import RequestDrafts
from gateway.engine.speculative.prompt_lookup import PromptLookup, attributes
from gateway.engine.text import TextAssembler
from gateway.sampling import ChosenLogprob
from telemetry.events import Phase, Scalar


@dataclass(slots=True)
class Waiting:
    """The wait of a sequence: what it waits for, and who lost time to whom.

    It found `depth` others in the queue, and is at place `position` of those that wait for a slot (0: it need
    not); `reason` says what for (slots, or kv: a prefix), and `holders` who had the slots. It waits for what
    `prefix_of` computes since `prefix_since_ns`, because both have a prefix. `delayed_by` are others that
    held it up, `delayed` those that it held up.
    """

    position: int = 0
    depth: int = 0
    reason: str = "slots"
    holders: str = ""
    prefix_of: Sequence | None = None
    prefix_since_ns: int = 0
    delayed_by: Delays = field(default_factory=Delays)
    delayed: Delays = field(default_factory=Delays)

    def attributes(self) -> dict[str, Scalar]:
        """Of the queue phase. `reason` says what a wait was for; without a wait there is none."""
        place: dict[str, Scalar] = {"position": self.position, "depth": self.depth}
        if not self.position and self.reason == "slots":
            return place
        return place | {"reason": self.reason, "holders": self.holders}


@dataclass(slots=True, eq=False)
class Sequence:
    """A request, how far it is, what was stamped on the way, what it waits for, and what the cache did for
    it.

    In a slot it has the cache's `entry` of it; out of it again, `sampler` is what the backend chose its
    tokens with; `matcher` is the grammar of its answer, at the end of its tokens. `drafter` proposes tokens
    from its own text, and `drafts` tell what a draft model does for it.
    """

    request: GenerationRequest
    queued_ns: InitVar[int]
    progress: Progress = field(init=False)
    stamps: Stamps = field(init=False)
    waiting: Waiting = field(default_factory=Waiting)
    lookup: Lookup = field(default_factory=Lookup)
    slot: int | None = None
    entry: Entry | None = None
    sampler: object | None = None
    matcher: Matcher | None = None
    drafter: PromptLookup | None = None
    drafts: RequestDrafts | None = None

    def __post_init__(self, queued_ns: int) -> None:
        prompt = self.request.prompt
        text = TextAssembler(self.request.stop, keep_stop=self.request.keep_stop)
        self.progress = Progress(tokens=list(prompt), prompt_tokens=len(prompt), text=text)
        self.stamps = Stamps(queued_ns)

    @property
    def id(self) -> str:
        """The request's."""
        return self.request.id

    def start(self, now_ns: int) -> Started | None:
        """Prefill begins; None where it had begun before.

        The queue phase ends with the slot, or with the state that is read into it: what a prompt in a slot
        waits for is other prompts, and they are blamed for it.
        """
        if self.stamps.started_ns is not None:
            return None
        begins_ns, ready_ns = self.lookup.restore_ns or (now_ns, now_ns)
        return Started(self.id, self._waited(self.stamps.start(begins_ns, ready_ns)))

    def extend(
        self,
        sampled: list[int],
        vocabulary: Vocabulary,
        n_ctx: int,
        now_ns: int,
        most_forced: int = 0,
        logprobs: Items[ChosenLogprob] = (),
    ) -> tuple[str, str]:
        """Add the tokens that a step sampled, up to one that ends the answer, and at most so many that the
        grammar forces after them; `logprobs` are of each sampled one, or none.

        Returns their text and why the answer ends: stop, length, error where the grammar cannot go on, or ""
        if it goes on.
        """
        before, limit = self.progress.completion_tokens, self.request.output_limit(n_ctx)
        text, reason = self._append(sampled, vocabulary, limit, logprobs)
        self.progress.forced = 0
        if self.matcher is not None and not reason:
            forced = _forced(self.matcher, most_forced) if sampled else []
            more, reason = self._append(forced, vocabulary, limit)
            text, reason = text + more, _ending(self.matcher, reason)
            self.progress.forced = len(forced)
        self.stamps.sampled(self.progress.completion_tokens - before, now_ns)
        if text:
            self.progress.answer.append(text)
        return text, reason

    def finished(self, reason: str, now_ns: int, message: str = "") -> Finished:
        """The closing report; phases that were under way end now."""
        answered = reason in ("stop", "length")
        return Finished(
            id=self.id,
            reason=reason,
            text=self.progress.text.finish() if answered else "",
            logprobs=self.progress.last_logprobs() if answered else [],
            message=message,
            completion_tokens=self.progress.completion_tokens,
            first_token_ns=self.stamps.first_token_ns,
            last_token_ns=self.stamps.last_token_ns,
            gaps_us=self.stamps.gaps_us,
            bursts=self.stamps.bursts,
            chunks=self.stamps.chunks,
            timings=self._timings(now_ns),
            delayed_by=self.waiting.delayed_by.top(),
            delayed=self.waiting.delayed.top(),
        )

    def _append(
        self,
        tokens: list[int],
        vocabulary: Vocabulary,
        limit: int,
        logprobs: Items[ChosenLogprob] = (),
    ) -> tuple[str, str]:
        progress, text = self.progress, ""
        for token, logprob in zip_longest(tokens, logprobs):
            if vocabulary.is_end(token) or token in self.request.stop_tokens:
                return text, "stop"
            progress.tokens.append(token)
            if logprob is not None:
                progress.logprobs.add(progress.text.decoded, logprob)
            text += progress.text.push(self.request.shown.get(token) or vocabulary.piece(token))
            if progress.text.stopped or progress.completion_tokens >= limit:
                return text, "stop" if progress.text.stopped else "length"
        return text, ""

    def _timings(self, now_ns: int) -> list[Timing]:
        """The phases that were not told when it started."""
        prefill_ns, first_ns = self.stamps.prefill_ns, self.stamps.first_token_ns
        if prefill_ns is None:
            return self._waited(now_ns)
        sampled_ns = first_ns or now_ns
        prefill = Timing(Phase.PREFILL, min(prefill_ns, sampled_ns), sampled_ns, self._prefill_attributes())
        if first_ns is None:
            return [prefill]
        return [prefill, Timing(Phase.DECODE, first_ns, now_ns, self._decode_attributes())]

    def _waited(self, now_ns: int) -> list[Timing]:
        """The phases up to the queue, which ends now."""
        queued_ns = self.stamps.queued_ns
        queue = Timing(Phase.QUEUE, queued_ns, max(queued_ns, now_ns), self.waiting.attributes())
        return [*self.lookup.timings(), queue]

    def _prefill_attributes(self) -> dict[str, Scalar]:
        cached = self.lookup.matched
        computed = max(0, self.progress.prefilled - cached)
        return {"tokens": self.progress.prompt_tokens, "cached": cached, "computed": computed}

    def _decode_attributes(self) -> dict[str, Scalar]:
        progress = self.progress
        decode: dict[str, Scalar] = {"tokens": progress.completion_tokens, "steps": progress.steps}
        decode["mean_batch"] = round(progress.mean_batch, 3)
        constrained = {} if self.matcher is None else self.matcher.counts.attributes()
        return decode | attributes(self.drafter, self.drafts) | constrained


def _forced(matcher: Matcher, most: int) -> list[int]:
    """The tokens that a grammar forces, at most so many; none where it cannot go on."""
    try:
        return matcher.forced_tokens(most)
    except MatcherError:
        return []


def _ending(matcher: Matcher, reason: str) -> str:
    """Why an answer ends, by its grammar too."""
    if matcher.failure:
        return "error"
    return reason or ("stop" if matcher.stopped else "")
