"""Loading a model with llama.cpp: weights, context, warm-up, and the configuration that came of it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import llama_cpp.llama_cpp as llama
import msgspec

from gateway.chat.template import ChatTemplate
from gateway.engine.backend import Batch, Part
from gateway.engine.digest import file_digest
from gateway.engine.embedding.engine import EmbeddingEngine
from gateway.engine.engine import Engine
from gateway.engine.llama import kv_types
from gateway.engine.llama.adapters import LlamaAdapters
from gateway.engine.llama.backend import ContextOptions, LlamaBackend
from gateway.engine.llama.context import context_options, threads_limit
from gateway.engine.llama.draft import LoadedDraft, load_draft_weights, start_drafting
from gateway.engine.llama.embed import LlamaEmbedder, embeds
from gateway.engine.llama.model import LlamaModel, ModelError
from gateway.engine.llama.tune import tuned, unset
from gateway.engine.options import EngineOptions
from gateway.engine.protocol import Loading, Message, Sampling
from gateway.engine.speculative.drafting import NoDrafting
from telemetry.events import EngineConfig

WARM_UP_TOKENS = 64


def load_llama(options: EngineOptions, send: Callable[[Message], None]) -> Engine | EmbeddingEngine:
    """Load the model file of `options`.

    Raises:
        ModelError: the file cannot be served.
    """
    path = Path(options.path)
    digest = _digest(options, path, send)
    report = _Progress(send)
    model = LlamaModel(
        path, gpu_layers=options.gpu_layers, load_mode=options.load_mode, progress=lambda fraction: report("loading weights", fraction)
    )
    if embeds(model, options.embeddings):
        return _embedding_engine(model, options, digest)
    draft = _draft_weights(options, model, report)
    send(Loading("allocating the KV cache"))
    digests = {name: _digest(options, Path(file), send) for name, file in options.adapters.items()}
    context = context_options(model, options, draft)
    tuning = tuned(model, options, context, digest, lambda fraction: report("measuring which settings are fastest", fraction))
    if tuning is not None:
        context = replace(context, **{name: tuning.chosen[name] for name in unset(options)})  # type: ignore[arg-type]  # by name
    backend = _backend(model, context, LlamaAdapters(model, options.adapters))
    drafting = None if draft is None else _drafting(draft, model, backend, options)
    prefill_token_ns = _warm_up(backend)
    model.read_vocabulary()
    source, special = model.chat_template, model.special_tokens
    return Engine(
        backend=backend,
        tokens=model,
        template=None if source is None else _template(source, special, options),
        config=_config(model, options, backend, digest, digests, _told(options, send) if draft is not None else ""),
        chat_template=source,
        special_tokens=special,
        prefill_token_ns=prefill_token_ns,
        namespaces=digests,
        tuning=tuning,
        buffers=Counter({**model.buffers, **backend.buffers}) + Counter({} if drafting is None else drafting.buffers),
        draft_model=None if drafting is None else drafting.model,
        drafting=NoDrafting() if drafting is None else drafting.drafting,
        threads_limit=threads_limit(options, tuning),
    )


def _draft_weights(options: EngineOptions, model: LlamaModel, report: _Progress) -> LlamaModel | None:
    if not options.draft_model or options.speculative == "off":
        return None
    return load_draft_weights(options, model, lambda fraction: report("loading the draft model", fraction))


def _drafting(draft: LlamaModel, model: LlamaModel, backend: LlamaBackend, options: EngineOptions) -> LoadedDraft:
    if not backend.trims:
        raise ModelError(
            f"engine.draft_model: {Path(options.path).name} cannot take wrong guesses back (its state cannot be cut); set none for it"
        )
    return start_drafting(draft, model, backend.options, options)


def _told(options: EngineOptions, send: Callable[[Message], None]) -> str:
    """The draft model for the configuration."""
    path = Path(options.draft_model)
    return f"{path.name} ({_digest(options, path, send)[:12]}), up to {options.draft_max_tokens} tokens"


def _embedding_engine(model: LlamaModel, options: EngineOptions, digest: str) -> EmbeddingEngine:
    """For embeddings nothing is kept between steps: the context is as large as a batch."""
    if options.adapters:
        raise ModelError("LoRA adapters cannot be used for embeddings; take this model's out of engine.adapters")
    if options.draft_model:
        raise ModelError(
            f"engine.draft_model: nothing is drafted for embeddings; set it to nothing with engine.overrides = {options.model}:draft_model="
        )
    trained = int(llama.llama_model_n_ctx_train(model.handle))
    n_ctx = min(trained, options.n_ctx or trained, options.n_batch)
    context = replace(context_options(model, options), n_ctx=n_ctx, n_batch=n_ctx, n_ubatch=n_ctx, kv_unified=True)
    embedder = LlamaEmbedder(model, replace(context, kv_type_k="f16", kv_type_v="f16"))
    return EmbeddingEngine(
        embedder=embedder,
        config=_config(model, options, embedder, digest, {}),
        special_tokens=model.special_tokens,
        prefill_token_ns=embedder.warm_up(),
        threads_limit=threads_limit(options, None),
        buffers={**model.buffers, **embedder.buffers},
    )


def _digest(options: EngineOptions, path: Path, send: Callable[[Message], None]) -> str:
    """The file's digest, with progress for the first time."""
    if not path.is_file():
        raise ModelError(f"there is no file at {path}")
    report = _Progress(send)
    return file_digest(path, Path(options.digest_cache), lambda fraction: report("computing the file's digest", fraction))


class _Progress:
    """Passes on progress in whole steps of 5 %, so that the pipe is not flooded."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._last = -1

    def __call__(self, what: str, fraction: float) -> None:
        step = int(fraction * 20)
        if step != self._last:
            self._last = step
            self._send(Loading(what, round(fraction, 3)))


def _template(source: str, special: dict[str, str], options: EngineOptions) -> ChatTemplate:
    bos, eos = special.get("bos", ""), special.get("eos", "")
    return ChatTemplate(source, bos=bos, eos=eos, timeout_s=options.template_timeout_s, mark=not options.allow_control_tokens)


def _backend(model: LlamaModel, context: ContextOptions, adapters: LlamaAdapters) -> LlamaBackend:
    """With flash attention if asked for, which keeps sequences from slowing each other; without it where it cannot be had."""
    try:
        return LlamaBackend(model, context, adapters)
    except ModelError:
        if not context.flash_attention or context.kv_type_v not in kv_types.EXACT:
            raise
        return LlamaBackend(model, replace(context, flash_attention=False), adapters)


def _warm_up(backend: LlamaBackend) -> int:
    """Compute one throw-away prompt twice: the first touches the weights, the second is measured (ns per token)."""
    part = Part(0, [0] * WARM_UP_TOKENS, 0, sample=True, prefill=True)
    for _ in range(2):
        backend.open(0, Sampling(temperature=0.0))
        start_ns = time.monotonic_ns()
        backend.compute(Batch((part,)))
        duration_ns = time.monotonic_ns() - start_ns
        backend.close(0)
        backend.trim(0, 0)
    return max(1, duration_ns // WARM_UP_TOKENS)


def _config(
    model: LlamaModel,
    options: EngineOptions,
    backend: LlamaBackend | LlamaEmbedder,
    digest: str,
    adapters: Mapping[str, str],
    draft_model: str = "",
) -> EngineConfig:
    context = backend.options
    quantisation = llama.llama_ftype_name(llama.llama_model_ftype(model.handle)) or b"unknown"
    config = EngineConfig(
        config_id="",
        model="",
        model_digest=digest,
        model_file=Path(options.path).name,
        model_size_bytes=Path(options.path).stat().st_size,
        architecture=model.metadata("general.architecture") or "unknown",
        parameters=int(llama.llama_model_n_params(model.handle)),
        quantisation=quantisation.decode(),
        kv_type_k=context.kv_type_k,
        kv_type_v=context.kv_type_v,
        kv_unified=context.kv_unified,
        flash_attention="on" if context.flash_attention else "off",
        threads=context.threads,
        threads_batch=context.threads_batch,
        n_ctx=backend.n_ctx,
        n_ctx_train=int(llama.llama_model_n_ctx_train(model.handle)),
        slots=context.slots,
        n_batch=context.n_batch,
        n_ubatch=min(context.n_ubatch, context.n_batch),
        gpu_layers=options.gpu_layers if llama.llama_supports_gpu_offload() else 0,
        load_mode=options.load_mode,
        rope=", ".join(f"{name} {value:g}" for name, value in context.rope.items()),
        adapters=", ".join(f"{name} ({adapter_digest[:12]})" for name, adapter_digest in adapters.items()),
        draft_model=draft_model,
        llama_cpp_build=f"llama-cpp-python {version('llama-cpp-python')} (llama.cpp {llama.llama_version().decode()})",
    )
    fingerprint = hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest()[:16]
    return replace(config, config_id=fingerprint, model=options.model)
