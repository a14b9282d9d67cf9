"""Tokenises requests for embeddings and ranking, on a thread of its own, and refuses inputs that fit no batch."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

from gateway.engine.embedding import Embedder
from gateway.engine.packer import Job
from gateway.engine.protocol import MAX_FRAME_BYTES, Admitted, Embed, Message, Refused, Timing
from telemetry.events import Phase

MAX_VECTORS_BYTES = MAX_FRAME_BYTES - 2**20
"""All vectors of a request go back in one frame."""


class EmbeddingIntake:
    """Takes `Embed`s, answers `Admitted` or `Refused`, and delivers jobs, and ids of cancelled ones behind them."""

    def __init__(self, embedder: Embedder, n_ctx: int, send: Callable[[Message], None], deliver: Callable[[Job | str], None]) -> None:
        self._embedder = embedder
        self._n_ctx = n_ctx
        self._send = send
        self._deliver = deliver
        self._inbox: queue.SimpleQueue[Embed | str] = queue.SimpleQueue()

    def submit(self, request: Embed) -> None:
        """Queue a request."""
        self._inbox.put(request)

    def cancel(self, request_id: str) -> None:
        """Queue a cancellation: behind its request, so that it finds it wherever it is by then."""
        self._inbox.put(request_id)

    def run(self) -> None:
        """The thread: for ever."""
        while True:
            arrived = self._inbox.get()
            if isinstance(arrived, str):
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
            inputs = [self._tokens(request, given) for given in request.inputs]
        except Exception as error:  # one bad request must not end intake for all others
            self._send(Refused(id=request.id, code="server_error", message=f"the engine could not tokenise this request: {error!r}"))
            return
        total = sum(map(len, inputs))
        end_ns = time.monotonic_ns()
        characters = sum(len(given) for given in request.inputs if isinstance(given, str))
        timings = [Timing(Phase.TOKENIZE, start_ns, end_ns, {"tokens": total, "characters": characters})]
        problem = next(filter(None, (self._problem(request, index, tokens, timings) for index, tokens in enumerate(inputs))), None)
        if problem is not None:
            self._send(problem)
            return
        self._send(Admitted(id=request.id, prompt_tokens=total, timings=timings))
        self._deliver(Job(request.id, inputs, end_ns, request.caller))

    def _tokens(self, request: Embed, given: str | list[int]) -> list[int]:
        if not isinstance(given, str):
            return given
        return self._embedder.tokenize_input(given) if request.query is None else self._embedder.tokenize_pair(request.query, given)

    def _problem(self, request: Embed, index: int, tokens: list[int], timings: list[Timing]) -> Refused | None:
        """Why an input cannot be computed; names its index."""
        param = f"input[{index}]" if request.query is None else f"documents[{index}]"
        if not tokens:
            return Refused(id=request.id, code="invalid_value", message=f"{param} has no tokens", param=param, timings=timings)
        if not self._embedder.known(tokens):
            message = f"{param} has token ids that this model's vocabulary does not have"
            return Refused(id=request.id, code="invalid_value", message=message, param=param, timings=timings)
        if len(tokens) <= self._n_ctx:
            return None
        message = f"{param} has {len(tokens)} tokens and this model takes {self._n_ctx} at once. Split it, or see engine.n_ctx and engine.n_batch."
        details = {"n_prompt_tokens": len(tokens), "n_ctx": self._n_ctx}
        return Refused(id=request.id, code="context_length_exceeded", message=message, param=param, details=details, timings=timings)
