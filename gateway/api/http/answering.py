"""Answering one request: hand it to its handle, write what comes, and stop the moment the client is gone."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from litestar.types import Receive, Scope, Send

from gateway.api.dialect import Endpoint, TextRequest, TextWriter, VectorRequest
from gateway.api.http.event_stream import EventStream
from gateway.api.http.exchange import Exchange, exchange_of
from gateway.api.http.replay import HEADER, Replay, Replays, body_of
from gateway.api.http.responses import send_body, send_error, send_json, send_start
from gateway.errors import ApiError, EngineUnavailableError, RequestTimeoutError
from gateway.serving.admission import Admission
from gateway.serving.call import Call
from gateway.serving.choices import Choices
from gateway.serving.handle import Description
from gateway.serving.router import Router, Target
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended, Recorder

CANCEL_WAIT_S = 2.0
"""How long the record of a cancelled request waits for the engine's last report; a step takes less."""

MAX_BYTES_AT_ONCE = 64 * 1024
"""Vectors of more bytes are written as text on another thread: streams of others go on meanwhile."""

STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@dataclass(frozen=True, slots=True)
class Serving:
    """What answering needs. One dependency, since the framework resolves several of them in a group of
    tasks per request.
    """

    recorder: Recorder
    admission: Admission
    router: Router
    timeout_s: float
    replays: Replays = field(default_factory=Replays)


class EngineResponse(ABC):
    """An ASGI response: what a model does for one checked request. Kinds of work say how in `_serve`."""

    def __init__(self, serving: Serving, target: Target, record: RequestRecord) -> None:
        self._serving = serving
        self._target = target
        self._record = record
        self._call: Call | Choices | None = None
        self._streaming = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        if self._may_outlive and (name := exchange.headers.get(HEADER)) is not None:
            await self._outlive(exchange, self._serving.replays.open(name), receive, send)
            return
        work = asyncio.create_task(self._respond(exchange, send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            done, _ = await asyncio.wait(
                {work, gone}, timeout=self._serving.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if work not in done:
                await self._abandon(work, exchange, send, timed_out=gone not in done)
            else:
                work.result()
        finally:
            gone.cancel()
            work.cancel()
            if self._call is not None:
                self._call.cancel()

    @property
    def _may_outlive(self) -> bool:
        """Whether its client may leave and come back."""
        return False

    async def _outlive(self, exchange: Exchange, replay: Replay, receive: Receive, send: Send) -> None:
        """Write into a replay to the end, whoever reads it. Only its being stopped cancels the work."""
        work = asyncio.create_task(self._respond(exchange, replay.send))
        stopped = asyncio.create_task(replay.stopped.wait())
        reader = asyncio.create_task(_copy(replay, send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            done, _ = await asyncio.wait(
                {work, stopped}, timeout=self._serving.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if work in done:
                work.result()
            else:
                exchange.ended = Ended(
                    Status.CANCELLED, 499, "client_disconnect", "the client stopped its stream"
                )
                await self._abandon(work, exchange, replay.send, timed_out=stopped not in done)
            self._serving.replays.close(replay, keep=self._streaming)
            await asyncio.wait({reader, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, stopped, reader, gone):
                task.cancel()
            self._serving.replays.close(replay, keep=self._streaming)
            if self._call is not None:
                self._call.cancel()

    async def _respond(self, exchange: Exchange, send: Send) -> None:
        """Serve the request, and turn its errors into a response or, in a stream, into a last frame."""
        try:
            await self._serve(send)
            exchange.ended = Ended(Status.OK, 200)
        except ApiError as error:
            await self._fail(exchange, send, error)

    @abstractmethod
    async def _serve(self, send: Send) -> None:
        """Hand the request over and write the answer."""

    async def _fail(self, exchange: Exchange, send: Send, error: ApiError) -> None:
        status = 200 if self._streaming else error.status
        exchange.ended = Ended(Status.ERROR, status, error.code, error.message)
        if isinstance(error, EngineUnavailableError):
            self._serving.recorder.rejected(error.code)
        if self._streaming:
            await send_body(send, exchange.dialect.stream_error(error))
        else:
            await send_error(send, error, exchange.dialect)

    async def _abandon(
        self, work: asyncio.Task[None], exchange: Exchange, send: Send, *, timed_out: bool
    ) -> None:
        """The client is gone or the time is up: free the engine's slot and let its last report come in.

        A client that is gone needs no word here: that is how an exchange ends unless somebody says otherwise.
        """
        work.cancel()
        if self._call is not None:
            self._call.cancel()
            await self._call.over(CANCEL_WAIT_S)
        await asyncio.gather(work, return_exceptions=True)
        if timed_out:
            seconds = self._serving.timeout_s
            error = RequestTimeoutError(
                f"The request took longer than {seconds:g} s (server.request_timeout_s)."
            )
            # a client that does not read gets no longer to read this either
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._fail(exchange, send, error), CANCEL_WAIT_S)

    def _describe(self) -> Description:
        """The description of what answers, of which the record is told.

        Raises:
            EngineUnavailableError: it has gone since it accepted the request.
        """
        handle = self._target.handle
        if handle.description is None:
            raise handle.unavailable()
        self._record.response_model = handle.model
        self._record.engine_config_id = handle.description.config_id
        return handle.description


class TextResponse(EngineResponse):
    """The answer to a `Generate`, whole or streamed."""

    def __init__(
        self, serving: Serving, target: Target, record: RequestRecord, asked: TextRequest, stream_type: bytes
    ) -> None:
        super().__init__(serving, target, record)
        self._asked = asked
        self._stream_type = stream_type

    @property
    def _may_outlive(self) -> bool:
        return self._asked.work.stream

    async def _serve(self, send: Send) -> None:
        asked, recorder = self._asked, self._serving.recorder
        prompts = 1 + len(asked.more_prompts)
        call = self._call = await self._serving.admission.submit_all(
            self._target, self._record, asked.works, prompts
        )
        await call.accepted()
        writer = self._asked.writer(self._record, self._target.handle.model, self._describe())
        self._record.response_id = writer.id
        if asked.work.stream:
            await self._stream(call, writer, send)
        else:
            answers = await call.answers()
            await send_json(send, 200, writer.whole(answers, recorder.clock_ns()), writer.headers)

    async def _stream(self, call: Choices, writer: TextWriter, send: Send) -> None:
        self._streaming = True
        await send_start(send, 200, self._stream_type, STREAM_HEADERS | writer.headers)
        stream = EventStream(send, writer.pieces)
        try:
            try:
                await call.follow(stream.write)
            except ApiError:
                await stream.drained()  # what was said stands before the error
                raise
            await stream.drained()
        finally:
            stream.close()
        await send_body(send, writer.last(call.finish_reasons, self._serving.recorder.clock_ns()))


class VectorResponse(EngineResponse):
    """The answer to an `Embed` or a `Rerank`."""

    def __init__(self, serving: Serving, target: Target, record: RequestRecord, asked: VectorRequest) -> None:
        super().__init__(serving, target, record)
        self._asked = asked

    async def _serve(self, send: Send) -> None:
        call = self._call = await self._serving.admission.submit(self._target, self._record, self._asked.work)
        vectors = await call.vectors()
        writer = self._asked.writer(self._record, self._target.handle.model, self._describe())
        large = len(vectors.data) > MAX_BYTES_AT_ONCE
        body = await asyncio.to_thread(writer.whole, vectors) if large else writer.whole(vectors)
        await send_json(send, 200, body)


def response_of(
    serving: Serving,
    target: Target,
    record: RequestRecord,
    asked: TextRequest | VectorRequest,
    endpoint: Endpoint,
) -> EngineResponse:
    """What answers a checked request."""
    if isinstance(asked, TextRequest):
        return TextResponse(serving, target, record, asked, endpoint.stream_type)
    return VectorResponse(serving, target, record, asked)


async def _copy(replay: Replay, send: Send) -> None:
    """Give a client what is written into a replay, from its beginning."""
    start = await replay.started()
    if start is not None:
        await send(start)
        async for piece in replay.read(0):
            await send(body_of(piece, more=True))
        await send(body_of(b"", more=False))


async def _disconnected(receive: Receive) -> None:
    """Until the client is gone; the body has been read, so nothing else can come."""
    while (await receive())["type"] != "http.disconnect":
        continue
