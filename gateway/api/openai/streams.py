"""Streams that were left, as llama-server has them: read on with `GET`, stopped with `DELETE`, and a list
of all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from litestar import HttpMethod, Request, Response, get, route
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

from gateway.api.http.answering import STREAM_HEADERS, Serving
from gateway.api.http.replay import Replay, offset_of


class StreamState(msgspec.Struct):
    """One stream: what was written of it, from which byte on it can be read, and whether it has ended."""

    conversation_id: str
    started_at: int
    total_bytes: int
    first_byte: int
    is_done: bool


class StreamList(msgspec.Struct):
    """All streams that can be read."""

    data: list[StreamState]


def _operation_id(
    _handler: HTTPRouteHandler, method: Method, _path: list[str | PathParameterDefinition]
) -> str:
    return "stopStream" if method == "DELETE" else "readStream"


@route(
    "/v1/stream/{conversation_id:str}",
    http_method=[HttpMethod.GET, HttpMethod.DELETE],
    operation_id=_operation_id,
    tags=["streams"],
    status_code=200,
)
async def stream(
    conversation_id: str, request: Request[object, object, State], serving: Serving
) -> Response[None] | Stream:
    """Read on in the stream of a conversation, from the byte `from`, until it ends; `DELETE` stops the answer
    and keeps nothing of it. One handler, since `Allow` of a path has the methods of its first one only.
    """
    if request.method == "DELETE":
        serving.replays.forget(conversation_id)
        return Response(None, status_code=204)
    replay = serving.replays.find(conversation_id)
    pieces = replay.read(offset_of(request.query_params.get("from")))
    first = await anext(pieces, b"")  # a gap is told before the stream begins
    return Stream(_rest(first, pieces), media_type="text/event-stream", headers=STREAM_HEADERS)


@get("/v1/streams", operation_id="listStreams", tags=["streams"])
async def list_streams(request: Request[object, object, State], serving: Serving) -> StreamList:
    """List the streams that can be read, or that of one `conversation_id`."""
    asked = request.query_params.get("conversation_id")
    found = [replay for replay in serving.replays.all() if asked in (None, replay.name)]
    return StreamList([_state(replay) for replay in found])


async def _rest(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


def _state(replay: Replay) -> StreamState:
    return StreamState(replay.name, replay.started_at, replay.size, replay.first, replay.ended_s is not None)
