"""Loading a draft model with llama.cpp: weights, whether its vocabulary fits the model's, context, what its
work takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import llama_cpp.llama_cpp as llama

from gateway.engine.backend import Batch, Part
from gateway.engine.llama.backend import ContextOptions, LlamaBackend
from gateway.engine.llama.embed import embeds
from gateway.engine.llama.model import LlamaModel, ModelError
from gateway.engine.options import EngineOptions
from gateway.engine.speculative.choice import DraftCosts
from gateway.engine.speculative.draft_model import DraftModel
from gateway.engine.speculative.drafting import NEAR, Drafting

MAX_PADDING = 128
"""Tokens that one vocabulary may have more than the other (llama.cpp's `SPEC_VOCAB_MAX_SIZE_DIFFERENCE`)."""

FIRST_COMPARED = 5
"""Texts of the tokens before are not compared: names of special ones differ in kin models (llama.cpp does the
same).
"""

MAX_FEED = 512
"""Most tokens that it catches up with at once."""

WARM_UP_TOKENS = 64
ROUNDS = 3
REMEDY = "give another model in engine.draft_model (engine.overrides sets it for one model), or none"


@dataclass(frozen=True, slots=True)
class LoadedDraft:
    """A draft model that is ready, and `buffers` that were allocated for it (bytes by part)."""

    model: DraftModel
    drafting: Drafting
    buffers: Mapping[str, int]


def load_draft_weights(
    options: EngineOptions, model: LlamaModel, progress: Callable[[float], None]
) -> LlamaModel:
    """The draft model's weights and vocabulary, which fits the model's.

    Raises:
        ModelError: they cannot be loaded, or do not fit.
    """
    path = Path(options.draft_model)
    try:
        draft = LlamaModel(
            path, gpu_layers=options.gpu_layers, load_mode=options.load_mode, progress=progress
        )
    except ModelError as error:
        raise ModelError(f"engine.draft_model: {error} To go on, {REMEDY}.") from None
    if problem := _cannot_draft(draft) or _misfit(model, draft):
        raise ModelError(
            f"engine.draft_model: {path.name} cannot draft for {Path(options.path).name}: {problem};"
            f" {REMEDY}."
        )
    return draft


def start_drafting(
    draft: LlamaModel, model: LlamaModel, context: ContextOptions, options: EngineOptions
) -> LoadedDraft:
    """A context for the draft model with a sequence for each slot of the model's `context`, measured.

    Raises:
        ModelError: it cannot be made, or cannot take guesses back.
    """
    n_vocab = draft.n_vocab = min(draft.n_vocab, model.n_vocab)  # guesses are looked for below this
    size = max(MAX_FEED, context.slots * (NEAR + 1))
    trained = draft.n_ctx_train
    n_ctx = min(context.n_ctx, trained)
    own = replace(
        context,
        n_ctx=n_ctx,
        n_batch=size,
        n_ubatch=min(size, context.n_ubatch),
        kv_type_k="f16",
        kv_type_v="f16",
        rope={},
    )
    try:
        backend = LlamaBackend(draft, own)
    except ModelError as error:
        raise ModelError(f"engine.draft_model: {error}; or {REMEDY}.") from None
    if not backend.trims:
        raise ModelError(
            "engine.draft_model: this draft model cannot take guesses back (its state cannot be cut);"
            f" {REMEDY}."
        )
    drafter = DraftModel(backend, context.slots, n_vocab=n_vocab, is_end=model.is_end)
    drafting = Drafting(
        drafter.states,
        _costs(backend, context.slots),
        max_tokens=options.draft_max_tokens,
        n_ctx=backend.n_ctx,
        max_feed=MAX_FEED,
    )
    return LoadedDraft(drafter, drafting, {**draft.buffers, **backend.buffers})


def _cannot_draft(draft: LlamaModel) -> str:
    return "it is a model for embeddings" if embeds(draft, "auto") else ""


def _misfit(model: LlamaModel, draft: LlamaModel) -> str:
    """The difference of the vocabularies, in words; '' if a token of one means the same to the other."""
    kinds = [llama.llama_vocab_type(one.vocab) for one in (model, draft)]
    if kinds[0] != kinds[1]:
        return f"its vocabulary is of another kind (llama.cpp's type {kinds[1]}, the model's is {kinds[0]})"
    if abs(model.n_vocab - draft.n_vocab) > MAX_PADDING:
        return f"its vocabulary has {draft.n_vocab:,} tokens, and the model's {model.n_vocab:,}"
    for name, token_of in (("begins", llama.llama_vocab_bos), ("ends", llama.llama_vocab_eos)):
        if (theirs := token_of(draft.vocab)) != (ours := token_of(model.vocab)):
            return f"its text {name} with token {theirs}, and the model's with {ours}"
    for token in range(FIRST_COMPARED, min(model.n_vocab, draft.n_vocab)):
        ours, theirs = (llama.llama_vocab_get_text(one.vocab, token) for one in (model, draft))
        if ours != theirs:
            return f"token {token} is {_shown(theirs)} in it, and {_shown(ours)} in the model"
    return ""


def _shown(text: bytes | None) -> str:
    return repr((text or b"").decode("utf-8", "replace"))


def _costs(backend: LlamaBackend, slots: int) -> DraftCosts:
    """Compute a throw-away prompt twice (the first time touches the weights), then rounds of one row, and of
    one for each slot.
    """
    prompt = Part(0, range(1, WARM_UP_TOKENS + 1), 0, sample=False, prefill=True)
    for _ in range(2):
        backend.trim(0, 0)
        token_ns = _measured_ns(backend, [prompt]) / WARM_UP_TOKENS
    one_ns = min(
        _measured_ns(backend, [Part(0, (1,), WARM_UP_TOKENS + number, sample=True, prefill=False)])
        for number in range(ROUNDS)
    )
    row_ns = token_ns
    if slots > 1:
        backend.trim(0, 0)
        rounds_ns = [_measured_ns(backend, _row_each(slots, number)) for number in range(ROUNDS)]
        row_ns = max(0.0, min(rounds_ns) - one_ns) / (slots - 1)
    for slot in range(slots):
        backend.trim(slot, 0)
    return DraftCosts(max(0.0, one_ns - row_ns), max(1.0, row_ns), max(1.0, token_ns))


def _row_each(slots: int, position: int) -> list[Part]:
    """One guess for each slot."""
    return [Part(slot, (1,), position, sample=True, prefill=False) for slot in range(slots)]


def _measured_ns(backend: LlamaBackend, parts: list[Part]) -> int:
    start_ns = time.monotonic_ns()
    backend.compute(Batch(tuple(parts)))
    return time.monotonic_ns() - start_ns
