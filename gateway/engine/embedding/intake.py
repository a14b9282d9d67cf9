"""Tokenises requests for embeddings and ranking, on a thread of its own, and refuses inputs that fit no
batch.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

from gateway.engine.embedding.engine import Embedder
from gateway.engine.embedding.packer import Job
from gateway.engine.frames import MAX_FRAME_BYTES
from gateway.engine.protocol import Admitted, Embed, Finished, Message, Refused, Timing
from gateway.engine.schedule.prompt_size import AtLeast, RequestCancelledError, tokens_within
from telemetry.events import Phase, Scalar

MAX_VECTORS_BYTES = MAX_FRAME_BYTES - 2**20
"""All vectors of a request go back in one frame."""


class EmbeddingIntake:
    """Takes `Embed`s, answers `Admitted` or `Refused`, and delivers jobs, and ids of cancelled ones behind
    them.
    """

    def __init__(
        self,
        embedder: Embedder,
        n_ctx: int,
        send: Callable[[Message], None],
        deliver: Callable[[Job | str], None],
    ) -> None:
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
        """Queue a cancellation: behind its request, so that it finds it wherever it is by then, and stop
        tokenising it.
        """
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
        """From inputs to a job, or to a refusal."""
        start_ns = time.monotonic_ns()
        refused = self._too_many(request) or self._too_wide(request)
        if refused is not None:
            self._send(refused)
            return
        try:
            inputs = self._inputs(request)
        except RequestCancelledError:
            self._send(Finished(id=request.id, reason="cancelled"))
        except Exception as error:  # one bad request must not end intake for all others
            message = f"the engine could not tokenise this request: {error!r}"
            self._send(Refused(id=request.id, code="server_error", message=message))
        else:
            self._submit(request, inputs, start_ns)

    def _submit(self, request: Embed, inputs: list[list[int] | AtLeast], start_ns: int) -> None:
        """Deliver the tokens of all inputs, or refuse the first that cannot be computed."""
        end_ns = time.monotonic_ns()
        attributes = _tokenize_attributes(request, inputs)
        timings = [Timing(Phase.TOKENIZE, start_ns, end_ns, attributes)]
        for index, tokens in enumerate(inputs):
            problem = self._problem(request, index, tokens, timings)
            if problem is not None:
                self._send(problem)
                return
        counted = _counted(inputs)
        total = sum(map(len, counted))
        self._send(Admitted(id=request.id, prompt_tokens=total, timings=timings))
        self._deliver(Job(request.id, counted, end_ns, request.caller))

    def _too_many(self, request: Embed) -> Refused | None:
        """The refusal of a request whose vectors would be too long together."""
        most = MAX_VECTORS_BYTES // (4 * self._embedder.dimensions)
        given = len(request.inputs)
        if given <= most:
            return None
        message = f"{given} inputs are too many at once for embeddings of this size; send {most} at most."
        return Refused(id=request.id, code="invalid_value", message=message, param="input")

    def _too_wide(self, request: Embed) -> Refused | None:
        """The refusal of a request for more dimensions than there are."""
        wanted, most = request.dimensions, self._embedder.dimensions
        if wanted is None or wanted <= most:
            return None
        message = f"`dimensions` is {wanted}; this model's embeddings have {most}."
        return Refused(id=request.id, code="invalid_value", message=message, param="dimensions")

    def _inputs(self, request: Embed) -> list[list[int] | AtLeast]:
        """The tokens of all inputs, up to the first that is far too long.

        Raises:
            RequestCancelledError: the request was cancelled meanwhile.
        """
        query: list[int] | AtLeast = []
        if request.query is not None:
            query = self._within(request, request.query, self._embedder.tokenize_input)
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
            raise RequestCancelledError

    def _problem(
        self,
        request: Embed,
        index: int,
        tokens: list[int] | AtLeast,
        timings: list[Timing],
    ) -> Refused | None:
        """The refusal of an input that cannot be computed; names its index."""
        param = f"input[{index}]" if request.query is None else f"documents[{index}]"
        if isinstance(tokens, AtLeast):
            return self._too_long(request, param, tokens, timings)
        if not tokens:
            message = f"{param} has no tokens"
        elif not self._embedder.known(tokens):
            message = f"{param} has token ids that this model's vocabulary does not have"
        elif len(tokens) > self._n_ctx:
            return self._too_long(request, param, len(tokens), timings)
        else:
            return None
        return Refused(id=request.id, code="invalid_value", message=message, param=param, timings=timings)

    def _too_long(self, request: Embed, param: str, size: int, timings: list[Timing]) -> Refused:
        at_least = isinstance(size, AtLeast)
        message = (
            f"{param} has {'at least ' if at_least else ''}{size} tokens "
            f"and this model takes {self._n_ctx} at once. "
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


def _counted(inputs: list[list[int] | AtLeast]) -> list[list[int]]:
    """The tokens of those that were counted to the end."""
    return [tokens for tokens in inputs if not isinstance(tokens, AtLeast)]


def _tokenize_attributes(request: Embed, inputs: list[list[int] | AtLeast]) -> dict[str, Scalar]:
    """Of the tokenize phase; where an input was not counted to its end, there is no number of tokens."""
    characters = sum(len(given) for given in request.inputs if isinstance(given, str))
    counted = _counted(inputs)
    if len(counted) < len(inputs):
        return {"characters": characters}
    return {"tokens": sum(map(len, counted)), "characters": characters}
