"""Computing batches with llama.cpp: the real `Backend`. One thread only (the decode loop)."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import llama_cpp.llama_cpp as llama
import numpy as np
import numpy.typing as npt

from gateway.engine.backend import BackendError, Batch, Part
from gateway.engine.cache.entry import State
from gateway.engine.grammar.masks import Masks
from gateway.engine.grammar.matcher import Matcher
from gateway.engine.llama import kv_types
from gateway.engine.llama.abort import ABORTED, AbortFlag
from gateway.engine.llama.adapters import LlamaAdapters
from gateway.engine.llama.batch import Columns, groups
from gateway.engine.llama.buffers import watch_buffers
from gateway.engine.llama.model import LlamaModel, ModelError
from gateway.engine.llama.sampler import ConstrainedSampler, Sampler
from gateway.engine.logits.rules import LogitRules
from gateway.sampling import ChosenLogprob, Sampling

SMALL_KERNEL_ROWS = 64
"""From this many query tokens on, llama.cpp's flash attention uses another kernel on the CPU
(GGML_FA_TILE_Q).
"""


UNDIVIDED_CELLS = 256
"""A KV with fewer cells in use is not divided among the threads: llama.cpp does that from 512 on, in steps of
256 cells.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextOptions:
    """The options that a context is made with; `n_ctx` is per sequence, `threads_batch` for prompts (0: the
    same). `rope` are llama.cpp's context parameters for RoPE and YaRN that differ from the model's own.
    """

    n_ctx: int
    slots: int
    n_batch: int
    n_ubatch: int
    threads: int
    threads_batch: int = 0
    kv_type_k: str = "f16"
    kv_type_v: str = "f16"
    kv_unified: bool = False
    flash_attention: bool = True
    rope: Mapping[str, float] = field(default_factory=dict)


class LlamaBackend:
    """A llama.cpp context with one sequence per slot."""

    def __init__(
        self, model: LlamaModel, options: ContextOptions, adapters: LlamaAdapters | None = None
    ) -> None:
        if problem := kv_types.refusal(
            options.kv_type_k, options.kv_type_v, flash_attention=options.flash_attention
        ):
            raise ModelError(problem)
        params = llama.llama_context_default_params()
        params.n_ctx = options.n_ctx * options.slots
        params.n_seq_max = options.slots
        params.n_batch, params.n_ubatch = options.n_batch, min(options.n_ubatch, options.n_batch)
        params.n_threads, params.n_threads_batch = options.threads, options.threads_batch or options.threads
        for name, value in options.rope.items():
            setattr(params, name, value)
        params.type_k, params.type_v = kv_types.TYPES[options.kv_type_k], kv_types.TYPES[options.kv_type_v]
        params.kv_unified = options.kv_unified
        params.flash_attn_type = int(options.flash_attention)
        with watch_buffers() as buffers:
            context = llama.llama_init_from_model(model.handle, params)
        if not context:
            raise ModelError(
                f"llama.cpp cannot make a context of {options.slots} x {options.n_ctx} tokens: "
                "lower engine.n_ctx or engine.slots (the log has details)"
            )
        self.options = options
        self.logprobs: dict[int, list[ChosenLogprob]] = {}
        self.buffers: Mapping[str, int] = buffers
        self._context = context
        self._memory = llama.llama_get_memory(context)
        self._model = model
        self._adapters = adapters or LlamaAdapters(model, {})
        self._samplers: dict[int, Sampler | ConstrainedSampler] = {}
        self._masks = Masks(model.n_vocab, rows=1)
        self._batch = llama.llama_batch_init(options.n_batch, 0, 1)
        self._columns = Columns(self._batch, options.n_batch)
        self._abort_flag = AbortFlag(context)
        self._threads = options.threads, options.threads_batch or options.threads
        self.n_ctx = int(llama.llama_n_ctx_seq(context))
        self.keeps_idle = not options.kv_unified
        self.trims = self._probe_trim()
        self.kernel_min_rows = SMALL_KERNEL_ROWS if _has_two_kernels(options) else 0

    def free(self) -> None:
        """Give the context's memory back; nothing may be computed afterwards."""
        self._samplers.clear()
        llama.llama_batch_free(self._batch)
        llama.llama_free(self._context)

    def open(
        self,
        slot: int,
        sampling: Sampling,
        sampler: object | None = None,
        matcher: Matcher | None = None,
    ) -> None:
        if isinstance(sampler, ConstrainedSampler):
            self._samplers[slot] = sampler
            return
        plain = sampler if isinstance(sampler, Sampler) else Sampler(sampling, self._model)
        constrained = None if matcher is None else ConstrainedSampler(plain, matcher, self._masks)
        self._samplers[slot] = constrained or plain

    def sampler(
        self,
        sampling: Sampling,
        prompt: Sequence[int],
        rules: LogitRules | None,
        logprobs: int | None,
        /,
    ) -> Sampler:
        return Sampler(sampling, self._model, prompt=prompt, rules=rules, logprobs=logprobs)

    def compute(self, batch: Batch) -> dict[int, list[int]]:
        self.logprobs = {}
        self._adapters.use(self._context, batch.adapter)
        self._abort_flag.clear()
        sampled: dict[int, list[int]] = {}
        for parts in groups(batch.parts, self.kernel_min_rows):
            sampled |= self._compute(parts)
        return sampled

    def _compute(self, parts: Sequence[Part]) -> dict[int, list[int]]:
        wanted = self._columns.fill(parts)
        self._batch.n_tokens = sum(len(part.tokens) for part in parts)
        threads = self._threads_for(parts)
        # llama.cpp takes several answers for a prompt
        llama.llama_set_n_threads(self._context, threads, threads)
        code = llama.llama_decode(self._context, self._batch)
        if code == ABORTED:
            raise BackendError(
                "the computation took too long and was given up (engine.step_timeout_s): send a shorter"
                " prompt, or try again"
            )
        if code != 0:
            raise BackendError(
                f"llama_decode failed with code {code}" + (": the KV cache is full" if code == 1 else "")
            )
        return {part.slot: self._sample(part, index) for part, index in wanted}

    def _threads_for(self, parts: Sequence[Part]) -> int:
        """As they are now, but for one token alone on a long KV: llama.cpp divides the KV among the threads
        there, so that another number of them gives other sums, and may turn a near tie (promise 5).
        """
        alone = len(parts) == 1 and len(parts[0].tokens) == 1
        if (
            alone
            and self.options.flash_attention
            and (self.options.kv_unified or parts[0].position >= UNDIVIDED_CELLS)
        ):
            return self.options.threads
        return self._threads[any(part.prefill for part in parts)]

    def use_threads(self, decode: int, batch: int) -> None:
        self._threads = decode, batch

    def abort(self) -> None:
        self._abort_flag.set()

    def _sample(self, part: Part, last: int) -> list[int]:
        """The next token; where the part ends in guesses, one before each of them until one was wrong, which
        cuts them off.
        """
        sampler, first = self._samplers[part.slot], last - part.drafted
        sampled: list[int] = []
        for index in range(first, last + 1):
            if index > first and part.tokens[index - last - 1] != sampled[-1]:
                break
            token = sampler.sample(self._context, index)
            if token is None:
                break
            sampled.append(token)
        if scored := sampler.take_scored():
            self.logprobs[part.slot] = [self._model.chosen_logprob(one) for one in scored]
        if part.drafted:
            llama.llama_memory_seq_rm(
                self._memory,
                part.slot,
                part.position + len(part.tokens) - part.drafted + len(sampled) - 1,
                -1,
            )
        return sampled

    def close(self, slot: int) -> Sampler | ConstrainedSampler | None:
        return self._samplers.pop(slot, None)

    def trim(self, slot: int, tokens: int) -> bool:
        if (
            tokens > 0
            and self.holds(slot) >= tokens
            and llama.llama_memory_seq_rm(self._memory, slot, tokens, -1)
        ):
            return self.holds(slot) == tokens
        llama.llama_memory_seq_rm(self._memory, slot, -1, -1)
        return tokens == 0

    def save(self, slot: int) -> State | None:
        size = int(llama.llama_state_seq_get_size(self._context, slot))
        if size <= 0:
            return None
        state = np.empty(size, dtype=np.uint8)
        return (
            state
            if llama.llama_state_seq_get_data(self._context, _pointer(state), size, slot) == size
            else None
        )

    def restore(self, slot: int, state: State, tokens: int) -> bool:
        self.trim(slot, 0)
        read = int(llama.llama_state_seq_set_data(self._context, _pointer(state), state.nbytes, slot))
        if read == state.nbytes and self.trim(slot, tokens):
            return True
        self.trim(slot, 0)
        return False

    def fork(self, source: int, target: int, tokens: int) -> bool:
        if not self.options.kv_unified:
            return False  # with a stream per sequence, llama.cpp copies the whole stream, used or not
        llama.llama_memory_seq_cp(self._memory, source, target, 0, tokens)
        return self.holds(target) == tokens

    def logits(self, tokens: list[int], position: int) -> list[npt.NDArray[np.float32]]:
        """Compute tokens in slot 0 and return the logits after each of them: for measuring quality."""
        self._columns.fill((Part(0, tokens, position, sample=True, prefill=True, drafted=len(tokens) - 1),))
        self._batch.n_tokens = len(tokens)
        if llama.llama_decode(self._context, self._batch) != 0:
            raise BackendError("llama_decode failed")
        size = (self._model.n_vocab,)
        return [
            np.ctypeslib.as_array(llama.llama_get_logits_ith(self._context, index), shape=size).copy()
            for index in range(len(tokens))
        ]

    def holds(self, slot: int) -> int:
        """Tokens in a slot's state."""
        return 1 + int(llama.llama_memory_seq_pos_max(self._memory, slot))

    def _probe_trim(self) -> bool:
        """Recurrent and sliding-window states cannot be cut: try it on two tokens."""
        self._columns.fill((Part(0, (0, 0), 0, sample=True, prefill=True),))
        self._batch.n_tokens = 2
        if llama.llama_decode(self._context, self._batch) != 0:
            return False
        works = self.trim(0, 1)
        self.trim(0, 0)
        return works


def _has_two_kernels(options: ContextOptions) -> bool:
    """True where both are used; a chunk for the larger one may be nearly twice its rows
    (`gateway.engine.cache.blocks`).
    """
    exact = options.flash_attention and (options.kv_type_k, options.kv_type_v) == ("f16", "f16")
    fits = (
        min(options.n_ubatch, options.n_batch) >= SMALL_KERNEL_ROWS
        and options.n_batch >= 2 * SMALL_KERNEL_ROWS
    )
    return exact and fits and not llama.llama_supports_gpu_offload()


def _pointer(state: State) -> ctypes.Array[ctypes.c_uint8]:
    return state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))  # type: ignore[return-value]
