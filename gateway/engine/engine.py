"""A loaded engine, whatever computes behind it: what the worker needs to run one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gateway.chat.template import ChatTemplate
from gateway.engine.backend import Backend, Vocabulary
from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.logits.resolve import RuleTokens
from gateway.engine.speculative.draft_model import DraftModel
from gateway.engine.speculative.drafting import NoDrafting
from gateway.engine.tuning import Tuning
from gateway.engine.vocab_info import VocabInfo
from telemetry.events import EngineConfig


class Tokenizer(Vocabulary, RuleTokens, Protocol):
    """Both directions between text and tokens."""

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a rendered prompt."""

    def sizes(self, tokens: list[int]) -> npt.NDArray[np.int64]:
        """Bytes of each token as it stands in a rendered prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Everything that was loaded. `prefill_token_ns` is the measured cost of a prompt token, the scheduler's
    first estimate; `chat_template` is the Jinja source, None where the model has none; `namespaces` says, by
    LoRA adapter, which part of the prefix cache is its own; `tuning` is what was chosen by measurement;
    `buffers` are bytes that were allocated, by part (weights, kv, compute), for the draft model too;
    `drafting` says what `draft_model` is to do; `threads_limit` what decided the number of threads;
    `grammars` compiles for its vocabulary, None where that cannot be done.
    """

    backend: Backend
    tokens: Tokenizer
    template: ChatTemplate | None
    config: EngineConfig
    chat_template: str | None
    special_tokens: dict[str, str]
    prefill_token_ns: int
    namespaces: Mapping[str, str] = field(default_factory=dict)
    tuning: Tuning | None = None
    buffers: Mapping[str, int] = field(default_factory=dict)
    draft_model: DraftModel | None = None
    drafting: NoDrafting = field(default_factory=NoDrafting)
    threads_limit: str = ""
    grammars: GrammarCompiler | None = None
    vocab: VocabInfo | None = None

    def use_threads(self, decode: int, batch: int) -> None:
        """Compute with so many threads from the next step on, the draft model too."""
        self.backend.use_threads(decode, batch)
        if self.draft_model is not None:
            self.draft_model.backend.use_threads(decode, batch)
