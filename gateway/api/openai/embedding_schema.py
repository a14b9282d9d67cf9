"""The wire form of embeddings (OpenAI's) and of reranking (Jina's and Cohere's, as llama-server has it)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Text = str | list[str | int | list[int]]


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """`input`: a text, texts, tokens or lists of tokens. `dimensions` keeps the first numbers of each
    vector, normalised again.
    """

    model: str
    input: Text
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


class RawEmbeddingRequest(EmbeddingRequest, kw_only=True):
    """With an input that is decoded by itself, by its form: msgspec has no unions of lists."""

    input: msgspec.Raw  # type: ignore[assignment]


class InputUsage(msgspec.Struct):
    """What was read; nothing is generated."""

    prompt_tokens: int
    total_tokens: int


class Embedding(msgspec.Struct):
    """One vector: numbers, or their 32-bit floats (little-endian) in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(msgspec.Struct):
    """All vectors in the order of the inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: InputUsage


class RankDocument(msgspec.Struct):
    """A document as an object."""

    text: str


class RerankRequest(msgspec.Struct, kw_only=True):
    """`top_n` None gives all documents back, the most relevant first."""

    model: str
    query: str
    documents: Annotated[list[str | RankDocument], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    user: str | None = None


class Ranked(msgspec.Struct):
    """One document's place; the score is what the model's classifier gives, not bounded."""

    index: int
    relevance_score: float
    document: RankDocument | UnsetType = UNSET


class Ranking(msgspec.Struct):
    """Documents by falling relevance."""

    object: Literal["list"]
    model: str
    results: list[Ranked]
    usage: InputUsage
