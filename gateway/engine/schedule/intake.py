"""Intake: renders and tokenises new requests on a thread of its own, so that a long step never delays it."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Items

import msgspec

from gateway.chat.template import ChatTemplate, TemplateError
from gateway.engine.cache.lookup import CacheLookup
from gateway.engine.engine import Tokenizer
from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.logits.resolve import RulesError, resolve
from gateway.engine.logits.rules import LogitRules
from gateway.engine.protocol import Admitted, Finished, Message, Refused, Submit, Timing
from gateway.engine.schedule.constraints import Constraints, RefusedFormError
from gateway.engine.schedule.prompt import Prompt
from gateway.engine.schedule.prompt_size import AtLeast, RequestCancelledError, tokens_within
from gateway.engine.schedule.rendering import PROMPT_END_CHARS, render
from gateway.engine.schedule.truncation import Messages, Truncation, room, truncate, without
from gateway.engine.sequence.request import GenerationRequest
from gateway.engine.sequence.sequence import Sequence
from gateway.engine.speculative.prompt_lookup import PromptLookup
from gateway.sampling import NO_RULES, Sampling
from telemetry.events import Phase

SamplerMaker = Callable[[Sampling, Items[int], LogitRules | None, int | None], object | None]
"""`gateway.engine.backend.Backend.sampler`."""


class Intake:
    """Takes `Submit`s, answers `Admitted` or `Refused`, and hands ready sequences to `deliver`, by way of
    `cache`.

    `namespaces` are the cache's, by adapter.
    """

    def __init__(
        self,
        *,
        template: ChatTemplate | None,
        tokenizer: Tokenizer,
        make_sampler: SamplerMaker,
        n_ctx: int,
        cache: CacheLookup,
        namespaces: Mapping[str, str],
        speculative: bool,
        model: str = "",
        grammars: GrammarCompiler | None = None,
        n_vocab: int = sys.maxsize,
        predict_ttft_ms: Callable[[Sequence], float],
        send: Callable[[Message], None],
        deliver: Callable[[Sequence], None],
    ) -> None:
        self._template = template
        self._tokenizer = tokenizer
        self._make_sampler = make_sampler
        self._n_ctx = n_ctx
        self._cache = cache
        self._namespaces = namespaces
        self._speculative = speculative
        self._constraints = Constraints(template, model, grammars)
        self._n_vocab = n_vocab
        self._predict_ttft_ms = predict_ttft_ms
        self._send = send
        self._deliver = deliver
        self._inbox: queue.SimpleQueue[Submit] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._pending: set[str] = set()
        self._lock = threading.Lock()

    def submit(self, request: Submit) -> None:
        """Queue a request for intake."""
        with self._lock:
            self._pending.add(request.id)
        self._inbox.put(request)

    def cancel(self, request_id: str) -> None:
        """Remember that a request still in intake was cancelled; others are the loop's business."""
        with self._lock:
            if request_id in self._pending:
                self._cancelled.add(request_id)

    def run(self) -> None:
        """The thread: one request after the other, for ever."""
        while True:
            request = self._inbox.get()
            timings: list[Timing] = []
            try:
                self._take(request, timings)
            except RequestCancelledError:
                self._forget(request)
                self._send(Finished(id=request.id, reason="cancelled", timings=timings))
            except RulesError as error:
                self._refuse(request, "invalid_value", str(error), timings, param=error.param)
            except Exception as error:  # one bad request must not end intake for all others
                message = f"the engine could not prepare this request: {error!r}"
                self._refuse(request, "server_error", message, timings)

    def hand_over(self, sequence: Sequence) -> None:
        """Deliver a sequence that is ready to run, unless it was cancelled meanwhile."""
        with self._lock:
            self._pending.discard(sequence.id)
            cancelled = sequence.id in self._cancelled
            self._cancelled.discard(sequence.id)
            if not cancelled:  # inside the lock: a cancel that finds it gone from here must find it delivered
                self._deliver(sequence)
        if cancelled:
            self._send(sequence.finished("cancelled", time.monotonic_ns()))

    def _take(self, request: Submit, timings: list[Timing]) -> None:
        """From messages to a sequence, or to a refusal; `timings` are the phases so far, however it ends.

        Raises:
            RequestCancelledError: the request was cancelled meanwhile.
            RulesError: a rule for its tokens cannot be obeyed.
        """
        self._proceed(request)
        if isinstance(request.prompt, list) and (unknown := max(request.prompt)) >= self._n_vocab:
            message = f"The token {unknown} is none of this model's; they are 0 to {self._n_vocab - 1}."
            self._refuse(request, "invalid_value", message, timings, param="prompt")
            return
        start_ns = time.monotonic_ns()
        try:
            text = self._render(request)
        except TemplateError as error:
            timings.append(Timing(Phase.RENDER, start_ns, time.monotonic_ns()))
            self._refuse(request, "invalid_messages", str(error), timings)
            return
        rendered_ns = time.monotonic_ns()
        timings.append(Timing(Phase.RENDER, start_ns, rendered_ns, {"characters": len(text)}))
        prompt = self._tokenize(request, text)
        tokenized_ns = time.monotonic_ns()
        timings.append(Timing(Phase.TOKENIZE, rendered_ns, tokenized_ns, prompt.attributes()))
        if isinstance(prompt.tokens, AtLeast) or not 0 < len(prompt.tokens) < self._n_ctx:
            self._refuse_size(request, _size(prompt.tokens), timings)
            return
        self._proceed(request)
        try:
            matcher = self._constraints.matcher(prompt.request, prompt.text)
        except RefusedFormError as error:
            self._refuse(request, "invalid_grammar", str(error), timings, param=error.param)
            return
        sequence = self._sequence(request, prompt.tokens, tokenized_ns)
        sequence.matcher = matcher
        self._cache.look_up(sequence, prompt.request, prompt.text, tokenized_ns)
        predicted_ms = self._predict_ttft_ms(sequence)
        self._send(
            Admitted(
                id=request.id,
                prompt_tokens=len(prompt.tokens),
                timings=timings,
                predicted_ttft_ms=predicted_ms,
                truncation=prompt.truncation,
                # plain: who wrote what is told to nobody
                prompt_end=str.__str__(prompt.text[-PROMPT_END_CHARS:]),
            )
        )
        self._cache.make_ready(sequence, self.hand_over)

    def _tokenize(self, request: Submit, text: str) -> Prompt:
        """The tokens of a rendered chat, or of what is left of it where that was asked for and it is too
        long.
        """
        if isinstance(request.prompt, list):
            return Prompt(request, text, request.prompt, None)
        tokens = self._tokens(request, text, self._n_ctx)
        truncation = self._truncate(request, tokens)
        if truncation is None:
            return Prompt(request, text, tokens, None)
        kept = without(request.messages, truncation.dropped_messages)
        shorter = msgspec.structs.replace(request, messages=kept)
        text = self._render(shorter)
        return Prompt(shorter, text, self._tokens(shorter, text, self._n_ctx), truncation)

    def _truncate(self, request: Submit, tokens: list[int] | AtLeast) -> Truncation | None:
        """The turns to leave out, where that was asked for and is needed and enough."""
        most = room(self._n_ctx, request.max_tokens)
        size = _size(tokens)
        if not request.truncate or request.prompt is not None or size <= most:
            return None

        def measure(messages: Messages) -> int:
            text = self._render(msgspec.structs.replace(request, messages=list(messages)))
            return _size(self._tokens(request, text, most))

        counted = None if isinstance(size, AtLeast) else size
        found = truncate(request.messages, counted, most, measure)
        if found is None:
            return None
        dropped, left = found
        return Truncation(dropped, None if counted is None else counted - left)

    def _render(self, request: Submit) -> str:
        return render(self._template, request, self._constraints.format)

    def _tokens(self, request: Submit, text: str, most: int) -> list[int] | AtLeast:
        return tokens_within(text, most, self._tokenizer.tokenize, lambda: self._proceed(request))

    def _proceed(self, request: Submit) -> None:
        """Between two pieces of work.

        Raises:
            RequestCancelledError: it is of no use any more.
        """
        with self._lock:
            if request.id in self._cancelled:
                raise RequestCancelledError

    def _sequence(self, request: Submit, tokens: list[int], now_ns: int) -> Sequence:
        asked = GenerationRequest(
            id=request.id,
            prompt=tokens,
            sampling=request.sampling,
            max_tokens=self._n_ctx if request.max_tokens is None else request.max_tokens,
            stop=request.stop,
            stop_tokens=frozenset(request.stop_tokens),
            keep_stop=request.keep_stop,
            each_sampled=request.logprobs is not None or request.rules != NO_RULES,
            caller=request.caller,
            adapter=request.adapter,
            namespace=self._namespaces.get(request.adapter, ""),
            background=request.background,
            pinned=request.pin,
            streamed=request.streamed,
            shown=self._constraints.shown if request.prompt is None else {},
        )
        rules = resolve(request.rules, request.stop_tokens, self._tokenizer)
        sequence = Sequence(asked, now_ns)
        sequence.sampler = self._make_sampler(request.sampling, tokens, rules, request.logprobs)
        sequence.drafter = PromptLookup(sequence.progress.tokens) if self._speculative else None
        return sequence

    def _refuse_size(self, request: Submit, size: int, timings: list[Timing]) -> None:
        if size == 0:
            self._refuse(request, "invalid_messages", "the prompt has no tokens", timings)
            return
        at_least = isinstance(size, AtLeast)
        message = (
            f"This model's maximum context length is {self._n_ctx} tokens, of which one is kept for the"
            f" answer. However, you requested {size} tokens{' or more' if at_least else ''} in the messages."
            ' Shorten the messages, send `"truncate": "auto"` to drop the oldest turns, or serve the'
            " model with a larger engine.n_ctx."
        )
        details = {"n_prompt_tokens": int(size), "n_ctx": self._n_ctx}
        param = "messages" if request.prompt is None else "prompt"
        self._refuse(
            request, "context_length_exceeded", message, timings, details, at_least=at_least, param=param
        )

    def _refuse(
        self,
        request: Submit,
        code: str,
        message: str,
        timings: list[Timing],
        details: dict[str, int] | None = None,
        *,
        at_least: bool = False,
        param: str = "messages",
    ) -> None:
        self._forget(request)
        refused = Refused(
            id=request.id,
            code=code,
            message=message,
            param=param,
            details=details or {},
            at_least=at_least,
            timings=timings,
        )
        self._send(refused)

    def _forget(self, request: Submit) -> None:
        with self._lock:
            self._pending.discard(request.id)
            self._cancelled.discard(request.id)


def _size(tokens: list[int] | AtLeast) -> int:
    return tokens if isinstance(tokens, AtLeast) else len(tokens)
