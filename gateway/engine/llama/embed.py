"""Embeddings and relevance scores with llama.cpp: a context without sampling, used by one thread only."""

from __future__ import annotations

import time
from collections.abc import Mapping

import llama_cpp.llama_cpp as llama
import numpy as np
import numpy.typing as npt

from gateway.engine.backend import BackendError, Part
from gateway.engine.embedding.packer import Vector
from gateway.engine.llama.backend import ContextOptions
from gateway.engine.llama.batch import Columns
from gateway.engine.llama.buffers import watch_buffers
from gateway.engine.llama.model import LlamaModel, ModelError

WARM_UP_TOKENS = 64
ENCODERS = frozenset(
    {
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
    }
)
"""Architectures that cannot generate."""


def embeds(model: LlamaModel, wanted: str) -> bool:
    """True where a model is to be served for embeddings; `wanted` is the setting `engine.embeddings`."""
    return wanted == "on" or (
        wanted == "auto" and (pooling(model) > 0 or model.metadata("general.architecture") in ENCODERS)
    )


def pooling(model: LlamaModel) -> int:
    """The pooling type that the model file names; 0 where it names none."""
    return int(
        model.metadata(f"{model.metadata('general.architecture')}.pooling_type")
        or llama.LLAMA_POOLING_TYPE_NONE
    )


class LlamaEmbedder:
    """A llama.cpp context in which each step computes whole inputs and keeps nothing of them.

    Pooling needs an input in one piece, so `options.n_ctx`, `n_batch` and `n_ubatch` are one number.
    """

    def __init__(self, model: LlamaModel, options: ContextOptions) -> None:
        params = llama.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = options.n_ctx
        params.n_seq_max = options.slots
        params.n_threads = params.n_threads_batch = options.threads
        params.kv_unified = True
        params.flash_attn_type = int(options.flash_attention)
        params.embeddings = True
        params.pooling_type = pooling(model) or llama.LLAMA_POOLING_TYPE_MEAN
        with watch_buffers() as buffers:
            context = llama.llama_init_from_model(model.handle, params)
        if not context:
            raise ModelError(
                "llama.cpp cannot make a context for embeddings: lower engine.n_batch (the log has details)"
            )
        self.options = options
        self.buffers: Mapping[str, int] = buffers
        self.n_ctx = options.n_ctx
        self.ranks = params.pooling_type == llama.LLAMA_POOLING_TYPE_RANK
        self.dimensions = 1 if self.ranks else int(llama.llama_model_n_embd_out(model.handle))
        self._model = model
        self._context = context
        self._memory = llama.llama_get_memory(context)
        self._batch = llama.llama_batch_init(options.n_batch, 0, 1)
        self._columns = Columns(self._batch, options.n_batch)

    def use_threads(self, threads: int) -> None:
        llama.llama_set_n_threads(self._context, threads, threads)

    def tokenize_input(self, text: str) -> list[int]:
        return self._model.encode(text, add_special=True, parse_special=False)

    def tokenize_pair(self, query: str, document: str) -> list[int]:
        """As llama-server does: BOS, query, EOS, SEP, document, EOS, of those that the model wants."""
        vocab = self._model.vocab
        eos = llama.llama_vocab_eos(vocab)
        end = (
            [eos if eos >= 0 else llama.llama_vocab_sep(vocab)]
            if llama.llama_vocab_get_add_eos(vocab)
            else []
        )
        separator = [llama.llama_vocab_sep(vocab)] if llama.llama_vocab_get_add_sep(vocab) else []
        begin = [llama.llama_vocab_bos(vocab)] if llama.llama_vocab_get_add_bos(vocab) else []
        return [*begin, *self._plain(query), *end, *separator, *self._plain(document), *end]

    def _plain(self, text: str) -> list[int]:
        return self._model.encode(text, add_special=False, parse_special=False)

    def known(self, tokens: list[int]) -> bool:
        return all(0 <= token < self._model.n_vocab for token in tokens)

    def embed(self, inputs: list[list[int]]) -> list[Vector]:
        parts = tuple(
            Part(slot, tokens, 0, sample=True, prefill=True, drafted=len(tokens) - 1)
            for slot, tokens in enumerate(inputs)
        )
        self._columns.fill(parts)
        self._batch.n_tokens = sum(map(len, inputs))
        if self._memory:
            llama.llama_memory_clear(self._memory, False)  # noqa: FBT003  # ctypes takes no keywords
        compute = llama.llama_decode if self._memory else llama.llama_encode
        if (code := compute(self._context, self._batch)) != 0:
            raise BackendError(f"llama.cpp could not compute the batch (code {code})")
        return [self._vector(slot).tobytes() for slot in range(len(inputs))]

    def warm_up(self) -> int:
        """Nanoseconds of a token: a throw-away input computed twice, the first time to touch the weights."""
        tokens = [0] * min(WARM_UP_TOKENS, self.n_ctx)
        self.embed([tokens])
        start_ns = time.monotonic_ns()
        self.embed([tokens])
        return max(1, (time.monotonic_ns() - start_ns) // len(tokens))

    def _vector(self, slot: int) -> npt.NDArray[np.float32]:
        pointer = llama.llama_get_embeddings_seq(self._context, slot)
        if not pointer:
            raise BackendError("llama.cpp gave no embedding")
        vector = np.ctypeslib.as_array(pointer, shape=(self.dimensions,)).astype(np.float32)
        if not np.isfinite(vector).all():
            raise BackendError("the model gave numbers that are not finite")
        return vector if self.ranks else vector / (np.linalg.norm(vector) or np.float32(1))
