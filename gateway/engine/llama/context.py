"""From options to what a llama.cpp context is made with: defaults, the context that memory affords, RoPE."""

from __future__ import annotations

import psutil

from gateway.engine.llama import kv_types
from gateway.engine.llama.backend import ContextOptions
from gateway.engine.llama.model import LlamaModel
from gateway.engine.options import EngineOptions
from gateway.engine.threads.cores import usable_cores
from gateway.engine.tuning import Tuning

KV_SHARE_OF_MEMORY = 0.4
"""Of the memory that is available at load, for the KV cache of all slots; `n_ctx` 0 is bounded by it."""

MIN_CONTEXT = 512
ROPE_SCALING = {"none": 0, "linear": 1, "yarn": 2, "longrope": 3}
"""`enum llama_rope_scaling_type` (llama.h)."""

ROPE_POSITIVE = ("rope_freq_base", "rope_freq_scale", "yarn_orig_ctx")
YARN_FACTORS = ("yarn_ext_factor", "yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow")


def context_options(
    model: LlamaModel, options: EngineOptions, draft: LlamaModel | None = None
) -> ContextOptions:
    """As set, with the defaults for what is not; a draft model needs memory for its own KV."""
    threads = options.threads or usable_cores().count
    return ContextOptions(
        n_ctx=options.n_ctx
        or _affordable_context(model, options, 0 if draft is None else draft.kv_bytes_per_token),
        slots=options.slots,
        n_batch=max(options.n_batch, options.slots),
        n_ubatch=options.n_ubatch,
        threads=threads,
        threads_batch=options.threads_batch or threads,
        kv_type_k=options.kv_type_k,
        kv_type_v=options.kv_type_v,
        kv_unified=bool(options.kv_unified),
        flash_attention=options.flash_attention is not False,
        rope=_rope(options),
    )


def threads_limit(options: EngineOptions, tuning: Tuning | None) -> str:
    """The limit that decided the number of threads, in words."""
    if options.threads:
        return "set by engine.threads"
    limit = usable_cores().limit
    return (
        f"chosen by measurement within {limit}"
        if tuning is not None and "threads" in tuning.chosen
        else limit
    )


def _affordable_context(model: LlamaModel, options: EngineOptions, more_token_bytes: int) -> int:
    """The trained context, or what of it fits into memory for every slot; a token needs so many bytes more
    elsewhere.
    """
    trained = model.n_ctx_train
    budget = psutil.virtual_memory().available * KV_SHARE_OF_MEMORY
    token_bytes = (
        max(1.0, model.kv_bytes_per_token * kv_types.share(options.kv_type_k, options.kv_type_v))
        + more_token_bytes
    )
    affordable = int(budget / (options.slots * token_bytes)) // 256 * 256
    return max(MIN_CONTEXT, min(trained, affordable))


def _rope(options: EngineOptions) -> dict[str, float]:
    """The parameters of RoPE and YaRN that were set; the rest is the model's own."""
    given: dict[str, float] = {
        name: getattr(options, name) for name in ROPE_POSITIVE if getattr(options, name) > 0
    }
    given |= {name: getattr(options, name) for name in YARN_FACTORS if getattr(options, name) >= 0}
    return given | ({"rope_scaling_type": ROPE_SCALING[options.rope_scaling]} if options.rope_scaling else {})
