"""Tokenises requests for embeddings and ranking, on a thread of its own, and refuses inputs that fit no batch."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

from gateway.engine.embedding.engine import Embedder
from gateway.engine.embedding.packer import Job
from gateway.engine.frames import MAX_FRAME_BYTES
from gateway.engine.protocol import Admitted, Embed, Finished, Message, Refused, Timing
from gateway.engine.schedule.prompt_size import AtLeast, tokens_within
from telemetry.events import Phase, Scalar

MAX_VECTORS_BYTES = MAX_FRAME_BYTES - 2**20
"""All vectors of a request go back in one frame."""


class _CancelledError(Exception):
    """Nobody waits for the request any more."""


class EmbeddingIntake:
    """Takes `Embed`s, answers `Admitted` or `Refused`, and delivers jobs, and ids of cancelled ones behind them."""

    def __init__(self, embedder: Embedder, n_ctx: int, send: Callable[[Message], None], deliver: Callable[[Job | str], None]) -> None:
        self._embedder = embedder
        self._n_ctx = n_ctx
        self._send = send
        self._deliver = deliver
        self._inbox: queue.SimpleQueue[Embed | str] = queue.SimpleQueue()
        self._cancelled: set[str] = set()

    def submit(self, request: Embed) -> None:
        """Queue a request."""
        self._inbox.put(request)

    def cancel(self, request_id: str) -> None:
        """Queue a cancellation: behind its request, so that it finds it wherever it is by then, and stop tokenising it."""
        self._cancelled.add(request_id)
        self._inbox.put(request_id)

    def run(self) -> None:
        """The thread: for ever."""
        while True:
            arrived = self._inbox.get()
            if isinstance(arrived, str):
                self._cancelled.discard(arrived)
                self._deliver(arrived)
            else:
                self._take(arrived)

    def _take(self, request: Embed) -> None:
        start_ns = time.monotonic_ns()
        most = MAX_VECTORS_BYTES // (4 * self._embedder.dimensions)
        if len(request.inputs) > most:
            message = f"{len(request.inputs)} inputs are too many at once for embeddings of this size; send {most} at most."
            self._send(Refused(id=request.id, code="invalid_value", message=message, param="input"))
            return
        if request.dimensions is not None and request.dimensions > self._embedder.dimensions:
            message = f"`dimensions` is {request.dimensions}; this model's embeddings have {self._embedder.dimensions}."
            self._send(Refused(id=request.id, code="invalid_value", message=message, param="dimensions"))
            return
        try:
            inputs = self._inputs(request)
        except _CancelledError:
            self._send(Finished(id=request.id, reason="cancelled"))
            return
        except Exception as error:  # one bad request must not end intake for all others
            self._send(Refused(id=request.id, code="server_error", message=f"the engine could not tokenise this request: {error!r}"))
            return
        end_ns = time.monotonic_ns()
        counted = [tokens for tokens in inputs if not isinstance(tokens, AtLeast)]
        total = sum(map(len, counted))
        told: dict[str, Scalar] = {"characters": sum(len(given) for given in request.inputs if isinstance(given, str))}
        timings = [Timing(Phase.TOKENIZE, start_ns, end_ns, told if len(counted) < len(inputs) else {"tokens": total, **told})]
        problem = next(filter(None, (self._problem(request, index, tokens, timings) for index, tokens in enumerate(inputs))), None)
        if problem is not None:
            self._send(problem)
            return
        self._send(Admitted(id=request.id, prompt_tokens=total, timings=timings))
        self._deliver(Job(request.id, counted, end_ns, request.caller))

    def _inputs(self, request: Embed) -> list[list[int] | AtLeast]:
        """The tokens of all inputs, up to the first that is far too long.

        Raises:
            _CancelledError: the request was cancelled meanwhile.
        """
        query = [] if request.query is None else self._within(request, request.query, self._embedder.tokenize_input)
        inputs: list[list[int] | AtLeast] = []
        for given in request.inputs:
            tokens = query if isinstance(query, AtLeast) else self._tokens(request, given)
            inputs.append(tokens)
            if isinstance(tokens, AtLeast):
                break
        return inputs

    def _tokens(self, request: Embed, given: str | list[int]) -> list[int] | AtLeast:
        self._proceed(request)
        if not isinstance(given, str):
            return given
        if (query := request.query) is None:
            return self._within(request, given, self._embedder.tokenize_input)
        return self._within(request, given, lambda text: self._embedder.tokenize_pair(query, text))

    def _within(self, request: Embed, text: str, tokenize: Callable[[str], list[int]]) -> list[int] | AtLeast:
        return tokens_within(text, self._n_ctx, tokenize, lambda: self._proceed(request))

    def _proceed(self, request: Embed) -> None:
        if request.id in self._cancelled:
            raise _CancelledError

    def _problem(self, request: Embed, index: int, tokens: list[int] | AtLeast, timings: list[Timing]) -> Refused | None:
        """Why an input cannot be computed; names its index."""
        param = f"input[{index}]" if request.query is None else f"documents[{index}]"
        if isinstance(tokens, AtLeast):
            return self._too_long(request, param, tokens, timings)
        if not tokens:
            return Refused(id=request.id, code="invalid_value", message=f"{param} has no tokens", param=param, timings=timings)
        if not self._embedder.known(tokens):
            message = f"{param} has token ids that this model's vocabulary does not have"
            return Refused(id=request.id, code="invalid_value", message=message, param=param, timings=timings)
        return None if len(tokens) <= self._n_ctx else self._too_long(request, param, len(tokens), timings)

    def _too_long(self, request: Embed, param: str, size: int, timings: list[Timing]) -> Refused:
        at_least = isinstance(size, AtLeast)
        message = (
            f"{param} has {'at least ' if at_least else ''}{size} tokens and this model takes {self._n_ctx} at once. "
            "Split it, or see engine.n_ctx and engine.n_batch."
        )
        details = {"n_prompt_tokens": int(size), "n_ctx": self._n_ctx}
        return Refused(
            id=request.id,
            code="context_length_exceeded",
            message=message,
            param=param,
            details=details,
            at_least=at_least,
            timings=timings,
        )
