"""`POST /v1/embeddings` and `POST /v1/rerank`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from litestar import Request, post
from litestar.datastructures import State
from litestar.openapi.spec import Operation
from litestar.types import ASGIApp, Send

from gateway.api.http.body import BodyReader
from gateway.api.http.decoding import decode_body
from gateway.api.http.openapi import json_operation
from gateway.api.http.reception import receive
from gateway.api.http.responses import send_json
from gateway.api.openai.answer import EngineAnswer, Serving
from gateway.api.openai.chat_fields import unknown_fields
from gateway.api.openai.chat_parse import caller_of
from gateway.api.openai.embedding_input import check_count, inputs_of
from gateway.api.openai.embedding_schema import (
    Embedding,
    EmbeddingList,
    EmbeddingRequest,
    InputUsage,
    RankDocument,
    Ranked,
    Ranking,
    RawEmbeddingRequest,
    RerankRequest,
)
from gateway.engine.protocol import Embed, Embedded
from gateway.serving.router import Target
from telemetry.ignored_fields import kept
from telemetry.record import RequestRecord

MOST_AT_ONCE_BYTES = 64 * 1024
"""Vectors of more bytes are written as text on another thread: streams of others go on meanwhile."""

Matrix = npt.NDArray[np.float32]
_decode_embedding = msgspec.json.Decoder(RawEmbeddingRequest)
_decode_rerank = msgspec.json.Decoder(RerankRequest)


@dataclass(frozen=True, slots=True)
class Task:
    """What to compute (`inputs`, for a `query` or without), and how the answer is written from vectors, model and usage."""

    model: str
    inputs: list[str | list[int]]
    query: str | None
    caller: str
    dimensions: int | None
    write: Callable[[Matrix, str, InputUsage], msgspec.Struct]
    ignored: tuple[str, ...]


def parse_embeddings(body: bytes) -> Task:
    """Check a request for embeddings.

    Raises:
        InvalidRequestError: `param` names the field to blame.
    """
    raw = decode_body(_decode_embedding, body)

    def write(vectors: Matrix, model: str, usage: InputUsage) -> EmbeddingList:
        cut = _cut(vectors, raw.dimensions)
        return EmbeddingList("list", [_embedding(index, row, raw.encoding_format) for index, row in enumerate(cut)], model, usage)

    return Task(raw.model, inputs_of(raw.input), None, caller_of(raw.user), raw.dimensions, write, _ignored(body, raw))


def parse_rerank(body: bytes) -> Task:
    """Check a request to rank documents.

    Raises:
        InvalidRequestError: `param` names the field to blame.
    """
    raw = decode_body(_decode_rerank, body)
    texts: list[str | list[int]] = [document if isinstance(document, str) else document.text for document in raw.documents]
    check_count(len(texts), "documents")

    def write(scores: Matrix, model: str, usage: InputUsage) -> Ranking:
        best = np.argsort(-scores[:, 0], kind="stable")[: raw.top_n]
        results = [Ranked(int(index), float(scores[index, 0])) for index in best]
        if raw.return_documents:
            for result in results:
                result.document = RankDocument(str(texts[result.index]))
        return Ranking("list", model, results, usage)

    return Task(raw.model, texts, raw.query, caller_of(raw.user), None, write, _ignored(body, raw))


def _ignored(body: bytes, raw: msgspec.Struct) -> tuple[str, ...]:
    return kept(list(unknown_fields(body, raw.__struct_fields__)))


def _cut(vectors: Matrix, dimensions: int | None) -> Matrix:
    """The first `dimensions` of each vector, normalised again (Matryoshka embeddings)."""
    if dimensions is None:
        return vectors
    cut = vectors[:, :dimensions]
    norms = np.linalg.norm(cut, axis=1, keepdims=True)
    return (cut / np.where(norms > 0, norms, 1)).astype(np.float32)


def _embedding(index: int, row: Matrix, encoding: str) -> Embedding:
    return Embedding("embedding", index, row.tolist() if encoding == "float" else base64.b64encode(row.astype("<f4").tobytes()).decode())


class EmbeddingAnswer(EngineAnswer):
    """The answer to a task."""

    def __init__(self, serving: Serving, target: Target, record: RequestRecord, task: Task) -> None:
        super().__init__(serving, target, record)
        self._task = task

    async def _serve(self, send: Send) -> None:
        record, task = self._record, self._task
        request = Embed(id=str(record.seq), inputs=task.inputs, query=task.query, caller=task.caller, dimensions=task.dimensions)
        call = self._call = await self._serving.admission.submit(self._handle, record, request)
        embedded = await call.embedded()
        ready = self._handle.ready
        record.response_model = self._handle.model
        record.engine_config_id = None if ready is None else ready.config.config_id
        usage = InputUsage(record.prompt_tokens or 0, record.prompt_tokens or 0)
        write = partial(_encode, task, embedded, self._handle.model, usage)
        await send_json(send, 200, write() if len(embedded.vectors) <= MOST_AT_ONCE_BYTES else await asyncio.to_thread(write))


def _encode(task: Task, embedded: Embedded, model: str, usage: InputUsage) -> bytes:
    vectors = np.frombuffer(embedded.vectors, dtype=np.float32).reshape(-1, embedded.dimensions)
    return msgspec.json.encode(task.write(vectors, model, usage))


@dataclass
class EmbeddingOperation(Operation):
    """Describes body and responses, which the handler reads and writes by hand."""

    def __post_init__(self) -> None:
        json_operation(self, EmbeddingRequest, EmbeddingList)


@dataclass
class RerankOperation(Operation):
    """Describes body and responses, which the handler reads and writes by hand."""

    def __post_init__(self) -> None:
        json_operation(self, RerankRequest, Ranking)


@post("/v1/embeddings", status_code=200, operation_class=EmbeddingOperation, operation_id="createEmbedding", tags=["embeddings"])
async def embeddings(request: Request[Any, Any, State], serving: Serving, bodies: BodyReader) -> ASGIApp:
    """Turn texts into vectors."""
    return await _answer(request, serving, bodies, parse_embeddings)


@post("/v1/rerank", status_code=200, operation_class=RerankOperation, operation_id="createRerank", tags=["embeddings"])
async def rerank(request: Request[Any, Any, State], serving: Serving, bodies: BodyReader) -> ASGIApp:
    """Order documents by how relevant they are to a query."""
    return await _answer(request, serving, bodies, parse_rerank)


async def _answer(request: Request[Any, Any, State], serving: Serving, bodies: BodyReader, parse: Callable[[bytes], Task]) -> ASGIApp:

    def check(body: bytes, record: RequestRecord) -> tuple[Task, Target]:
        task = parse(body)
        record.model = task.model[:200]
        record.ignored_fields = task.ignored
        return task, serving.router.find(task.model)

    record, (task, target) = await receive(request, serving, bodies, operation="embeddings", check=check)
    return EmbeddingAnswer(serving, target, record, task)
