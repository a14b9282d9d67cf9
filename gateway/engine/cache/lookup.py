"""The cache lookup of a new request, on the intake thread: which known prompt it resembles, and what must be
read first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.engine.cache.blocks import Blocks
from gateway.engine.cache.entry import Entry, Holder, Origin, State
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.cache.reasons import SLACK_TOKENS, Prompt
from gateway.engine.cache.spans import MessageSpan, message_spans
from telemetry.events import CacheReason

if TYPE_CHECKING:
    from gateway.engine.engine import Tokenizer
    from gateway.engine.protocol import Submit
    from gateway.engine.sequence.sequence import Sequence

MAX_SPANS = 128
"""Messages whose places are told with the lookup; a longer chat tells its last ones' as one."""


class CacheLookup:
    """Fills a sequence's `lookup`. `unsupported` says why this engine cannot cache ("" if it can)."""

    def __init__(
        self,
        cache: PrefixCache,
        tokenizer: Tokenizer,
        *,
        kernel_min_rows: int,
        enabled: bool,
        unsupported: str = "",
    ) -> None:
        self._cache = cache
        self._tokenizer = tokenizer
        self._kernel_min_rows = kernel_min_rows
        self._enabled = enabled
        self._unsupported = unsupported

    def look_up(self, sequence: Sequence, request: Submit, text: str, start_ns: int) -> None:
        """Compare the prompt with what is known. What is found of it is decided when it gets its slot."""
        lookup = sequence.lookup
        tokens, namespace = sequence.request.prompt, sequence.request.namespace
        spans = message_spans(text, request.messages, self._tokenizer.sizes(tokens))
        open_answer = request.ending == "open_message"
        sequence.progress.blocks = Blocks(spans, len(tokens), self._kernel_min_rows, open_answer=open_answer)
        lookup.origin = _origin(request, spans)
        lookup.spans = _told(spans)
        lookup.start_ns = start_ns
        if self._unsupported:
            lookup.reason, lookup.more = CacheReason.UNSUPPORTED, {"why": self._unsupported}
        elif self._enabled and request.cache:
            lookup.cacheable, lookup.reason = True, None
            texts = [str(message.get("content") or "") for message in request.messages]
            prompt = Prompt(sequence.progress.array(), spans, texts)
            lookup.comparison = self._cache.compare(prompt, namespace, lookup.origin)
            found = self._cache.find(prompt.tokens, namespace)
            lookup.expected = max(found.available_tokens, found.to_read[1])
        lookup.end_ns = sequence.stamps.queued_ns = time.monotonic_ns()

    def make_ready(self, sequence: Sequence, deliver: Callable[[Sequence], None]) -> None:
        """Hand the sequence on: at once, or when the best prefix of it has been read into RAM."""
        if not sequence.lookup.cacheable or not self._cache.has_lower_tiers:
            deliver(sequence)
            return
        found = self._cache.find(sequence.progress.array(), sequence.request.namespace)
        entry, tokens = found.to_read
        tier = None if entry is None else self._cache.fastest(entry)
        if entry is None or tier is None or tokens <= found.available_tokens + SLACK_TOKENS:
            deliver(sequence)
            return

        def then(state: State | None) -> None:
            if state is not None:
                self._cache.loaded(entry, state, time.monotonic_ns())
            self._note_read(sequence, entry, tier)
            deliver(sequence)

        tier.read(entry, then)

    def _note_read(self, sequence: Sequence, entry: Entry, tier: Holder) -> None:
        """What could be read has been: the sequence is queued from now on."""
        lookup, state = sequence.lookup, self._cache.state(entry)
        sequence.stamps.queued_ns = now_ns = time.monotonic_ns()
        lookup.read_ns = (lookup.end_ns, now_ns)
        lookup.read_from, lookup.read_bytes = tier, 0 if state is None else state.nbytes


def _told(spans: list[MessageSpan]) -> list[MessageSpan]:
    """The spans that are told: where there are too many, the last ones as one."""
    if len(spans) <= MAX_SPANS:
        return spans
    kept, more = spans[: MAX_SPANS - 1], spans[MAX_SPANS - 1 :]
    return [*kept, MessageSpan(f"{len(more)}-more", more[0].start, more[0].content, more[-1].end, 0)]


def _origin(request: Submit, spans: list[MessageSpan]) -> Origin:
    opening = next((span.key for span in spans if span.role == "user"), 0)
    conversation = f"{request.caller}\n{request.conversation}" if request.conversation else ""
    return Origin(conversation, opening, tuple(span.key for span in spans), request.background, request.id)
