"""The parts of an engine that embeds or ranks, whatever computes behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.engine.embedding.packer import Vector
from gateway.engine.vocab_info import VocabInfo
from telemetry.events import EngineConfig


class Embedder(Protocol):
    """Computes one vector of `dimensions` per input: an L2-normalised embedding, or with `ranks` one
    relevance score.
    """

    ranks: bool
    dimensions: int

    def tokenize_input(self, text: str) -> list[int]:
        """Token ids of a text to embed, special tokens added."""

    def tokenize_pair(self, query: str, document: str) -> list[int]:
        """Token ids of a query with a document to rank for it."""

    def known(self, tokens: list[int]) -> bool:
        """True where the vocabulary has these token ids."""

    def use_threads(self, threads: int) -> None:
        """Compute with so many threads from the next batch on."""

    def embed(self, inputs: list[list[int]]) -> list[Vector]:
        """The vector of each input.

        Raises:
            BackendError: the batch could not be computed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingEngine:
    """Everything that was loaded. An input may have `config.n_ctx` tokens, which is also a batch's most."""

    embedder: Embedder
    config: EngineConfig
    special_tokens: dict[str, str]
    prefill_token_ns: int
    buffers: Mapping[str, int] = field(default_factory=dict)
    chat_template: str | None = None
    threads_limit: str = ""
    vocab: VocabInfo | None = None
