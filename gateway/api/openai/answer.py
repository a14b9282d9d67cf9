"""Answering one chat request: hand it to its engine, write what comes, and stop the moment the client is gone."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

from litestar.types import Receive, Scope, Send

from gateway.api.http.event_stream import EventStream
from gateway.api.http.exchange import Exchange, exchange_of
from gateway.api.http.responses import send_body, send_error, send_json, send_start
from gateway.api.openai.chat_parse import Chat
from gateway.api.openai.completion import Completion, sse
from gateway.engine.protocol import Submit
from gateway.errors import ApiError, EngineUnavailableError, RequestTimeoutError
from gateway.serving.admission import Admission
from gateway.serving.call import Call
from gateway.serving.router import Router, Target
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended, Recorder

CANCEL_WAIT_S = 2.0
"""How long the record of a cancelled request waits for the engine's last report; a step takes less."""

STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@dataclass(frozen=True, slots=True)
class Serving:
    """What answering needs. One dependency, since the framework resolves several of them in a group of tasks per request."""

    recorder: Recorder
    admission: Admission
    router: Router
    timeout_s: float


class EngineAnswer(ABC):
    """An ASGI response: what an engine does for one checked request. Kinds of work say how in `_serve`."""

    def __init__(self, serving: Serving, target: Target, record: RequestRecord) -> None:
        self._serving = serving
        self._handle = target.handle
        self._adapter = target.adapter
        self._record = record
        self._call: Call | None = None
        self._streaming = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        work = asyncio.create_task(self._respond(exchange, send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            done, _ = await asyncio.wait({work, gone}, timeout=self._serving.timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if work not in done:
                await self._abandon(work, exchange, send, timed_out=gone not in done)
            else:
                work.result()
        finally:
            gone.cancel()
            work.cancel()
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
        """Hand the request to the engine and write the answer."""

    async def _fail(self, exchange: Exchange, send: Send, error: ApiError) -> None:
        status = 200 if self._streaming else error.status
        exchange.ended = Ended(Status.ERROR, status, error.code, error.message)
        if isinstance(error, EngineUnavailableError):
            self._serving.recorder.rejected(error.code)
        if self._streaming:
            await send_body(send, sse(error.envelope()))
        else:
            await send_error(send, error)

    async def _abandon(self, work: asyncio.Task[None], exchange: Exchange, send: Send, *, timed_out: bool) -> None:
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
            error = RequestTimeoutError(f"The request took longer than {seconds:g} s (server.request_timeout_s).")
            with contextlib.suppress(TimeoutError):  # a client that does not read gets no longer to read this either
                await asyncio.wait_for(self._fail(exchange, send, error), CANCEL_WAIT_S)


class Answer(EngineAnswer):
    """The answer to a chat."""

    def __init__(self, serving: Serving, target: Target, record: RequestRecord, chat: Chat) -> None:
        super().__init__(serving, target, record)
        self._chat = chat

    async def _serve(self, send: Send) -> None:
        chat, record = self._chat, self._record
        submit = Submit(
            id=str(record.seq),
            messages=chat.messages,
            adapter=self._adapter,
            streamed=chat.stream,
            sampling=chat.sampling,
            max_tokens=chat.max_tokens,
            stop=chat.stop,
            stop_tokens=chat.stop_tokens,
            caller=chat.caller,
            conversation=chat.conversation_id or "",
            background=chat.background,
            cache=chat.cache,
            pin=chat.pin,
            truncate=chat.truncate,
            ending=chat.ending,
        )
        call = self._call = await self._serving.admission.submit(self._handle, record, submit)
        await call.admitted()
        completion = self._completion()
        if chat.stream:
            await self._stream(call, completion, send)
        else:
            text = await call.text()
            await send_json(send, 200, completion.whole(text, self._serving.recorder.clock_ns()), completion.headers)

    async def _stream(self, call: Call, completion: Completion, send: Send) -> None:
        self._streaming = True
        await send_start(send, 200, b"text/event-stream; charset=utf-8", STREAM_HEADERS | completion.headers)
        stream = EventStream(send, completion.text_chunk)
        try:
            try:
                await call.follow(stream.write)
            except ApiError:
                await stream.drained()  # what was said stands before the error
                raise
            await stream.drained()
        finally:
            stream.close()
        last = completion.last_chunks(include_usage=self._chat.include_usage, now_ns=self._serving.recorder.clock_ns())
        await send_body(send, last)

    def _completion(self) -> Completion:
        ready = self._handle.ready
        if ready is None:
            raise self._handle.unavailable()
        self._record.response_model = self._handle.model
        self._record.engine_config_id = ready.config.config_id
        completion = Completion(self._record, self._handle.model, f"fp_{ready.config.config_id}")
        self._record.response_id = completion.id
        return completion


async def _disconnected(receive: Receive) -> None:
    """Until the client is gone; the body has been read, so nothing else can come."""
    while (await receive())["type"] != "http.disconnect":
        continue
