"""`POST /v1/embeddings` and `POST /v1/rerank`."""

from __future__ import annotations

import base64
from functools import partial

import msgspec
import numpy as np
import numpy.typing as npt

from gateway.api.dialect import VectorRequest
from gateway.api.http.decoding import decode_body
from gateway.api.openai.chat_fields import unknown_fields
from gateway.api.openai.controls_parse import caller_of
from gateway.api.openai.embedding_input import check_count, inputs_of
from gateway.api.openai.embedding_schema import (
    Embedding,
    EmbeddingList,
    InputUsage,
    RankDocument,
    Ranked,
    Ranking,
    RawEmbeddingRequest,
    RerankRequest,
)
from gateway.serving.handle import Description
from gateway.serving.work import Embed, Rerank, Vectors
from telemetry.ignored_fields import kept
from telemetry.record import RequestRecord

Matrix = npt.NDArray[np.float32]
_decode_embedding = msgspec.json.Decoder(RawEmbeddingRequest)
_decode_rerank = msgspec.json.Decoder(RerankRequest)


def parse_embeddings(body: bytes) -> VectorRequest:
    """Check a request for embeddings.

    Raises:
        InvalidRequestError: `param` names the field to blame.
    """
    raw = decode_body(_decode_embedding, body)
    work = Embed(
        model=raw.model,
        inputs=inputs_of(raw.input),
        dimensions=raw.dimensions,
        caller=caller_of(raw.user),
        ignored=_ignored(body, raw),
    )
    return VectorRequest(work, partial(EmbeddingWriter, raw))


def parse_rerank(body: bytes) -> VectorRequest:
    """Check a request to rank documents.

    Raises:
        InvalidRequestError: `param` names the field to blame.
    """
    raw = decode_body(_decode_rerank, body)
    texts = [document if isinstance(document, str) else document.text for document in raw.documents]
    check_count(len(texts), "documents")
    work = Rerank(
        model=raw.model,
        query=raw.query,
        documents=texts,
        caller=caller_of(raw.user),
        ignored=_ignored(body, raw),
    )
    return VectorRequest(work, partial(RankingWriter, raw, texts))


class EmbeddingWriter:
    """Writes a list of embeddings."""

    def __init__(
        self, asked: RawEmbeddingRequest, record: RequestRecord, model: str, _about: Description
    ) -> None:
        self._asked = asked
        self._record = record
        self._model = model

    def whole(self, vectors: Vectors) -> bytes:
        """The body."""
        rows = _cut(_matrix(vectors), self._asked.dimensions)
        encoding = self._asked.encoding_format
        data = [_embedding(index, row, encoding) for index, row in enumerate(rows)]
        return msgspec.json.encode(EmbeddingList("list", data, self._model, _usage(self._record)))


class RankingWriter:
    """Writes the documents by falling relevance."""

    def __init__(
        self, asked: RerankRequest, texts: list[str], record: RequestRecord, model: str, _about: Description
    ) -> None:
        self._asked = asked
        self._texts = texts
        self._record = record
        self._model = model

    def whole(self, vectors: Vectors) -> bytes:
        """The body."""
        scores = _matrix(vectors)
        best = np.argsort(-scores[:, 0], kind="stable")[: self._asked.top_n]
        results = [Ranked(int(index), float(scores[index, 0])) for index in best]
        if self._asked.return_documents:
            for result in results:
                result.document = RankDocument(self._texts[result.index])
        return msgspec.json.encode(Ranking("list", self._model, results, _usage(self._record)))


def _matrix(vectors: Vectors) -> Matrix:
    return np.frombuffer(vectors.data, dtype=np.float32).reshape(-1, vectors.dimensions)


def _usage(record: RequestRecord) -> InputUsage:
    return InputUsage(record.prompt_tokens or 0, record.prompt_tokens or 0)


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
    return Embedding(
        "embedding",
        index,
        row.tolist() if encoding == "float" else base64.b64encode(row.astype("<f4").tobytes()).decode(),
    )
