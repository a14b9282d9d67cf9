"""Loading a model with llama.cpp: weights, context, warm-up, and the configuration that came of it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import llama_cpp.llama_cpp as llama
import msgspec

from gateway.chat.template import ChatTemplate
from gateway.engine.backend import Batch, Part
from gateway.engine.digest import file_digest
from gateway.engine.embedding.engine import EmbeddingEngine
from gateway.engine.engine import Engine
from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.tokenizer import llama_tokenizer
from gateway.engine.llama import kv_types
from gateway.engine.llama.adapters import LlamaAdapters
from gateway.engine.llama.backend import ContextOptions, LlamaBackend
from gateway.engine.llama.context import context_options, threads_limit
from gateway.engine.llama.draft import LoadedDraft, load_draft_weights, start_drafting
from gateway.engine.llama.embed import LlamaEmbedder, embeds
from gateway.engine.llama.model import LlamaModel, ModelError
from gateway.engine.llama.tune import tuned, unset
from gateway.engine.options import EngineOptions
from gateway.engine.protocol import Loading, Message
from gateway.engine.speculative.drafting import NoDrafting
from gateway.engine.tuning import Tuning
from gateway.sampling import Sampling
from telemetry.events import EngineConfig

WARM_UP_TOKENS = 64


def load_llama(options: EngineOptions, send: Callable[[Message], None]) -> Engine | EmbeddingEngine:
    """The engine of the model file of `options`.

    Raises:
        ModelError: the file cannot be served.
    """
    report = _ProgressReport(send)
    digest = _digest(options, Path(options.path), report)
    model = _weights(options, report)
    if embeds(model, options.embeddings):
        return _embedding_engine(model, options, digest)
    return _chat_engine(model, options, digest, report)


def _chat_engine(model: LlamaModel, options: EngineOptions, digest: str, report: _ProgressReport) -> Engine:
    draft = _draft_weights(options, model, report)
    report.begin("allocating the KV cache")
    adapters = {name: _digest(options, Path(file), report) for name, file in options.adapters.items()}
    context, tuning = _tuned_context(model, options, draft, digest, report)
    backend = _backend(model, context, LlamaAdapters(model, options.adapters))
    drafting = None if draft is None else _drafting(draft, model, backend, options)
    prefill_token_ns = _warm_up(backend)
    model.read_vocabulary()
    source, special = model.chat_template, model.special_tokens
    draft_buffers: Mapping[str, int] = {} if drafting is None else drafting.buffers
    return Engine(
        backend=backend,
        tokens=model,
        template=None if source is None else _template(source, special, options),
        config=_config(model, options, backend, digest, adapters, _draft_name(options, report)),
        chat_template=source,
        special_tokens=special,
        prefill_token_ns=prefill_token_ns,
        namespaces=adapters,
        tuning=tuning,
        buffers=Counter({**model.buffers, **backend.buffers}) + Counter(draft_buffers),
        draft_model=None if drafting is None else drafting.model,
        drafting=NoDrafting() if drafting is None else drafting.drafting,
        threads_limit=threads_limit(options, tuning),
        grammars=GrammarCompiler(llama_tokenizer(model.vocab, model.end_tokens)),
        vocab=model.vocab_info,
    )


def _weights(options: EngineOptions, report: _ProgressReport) -> LlamaModel:
    return LlamaModel(
        Path(options.path),
        gpu_layers=options.gpu_layers,
        load_mode=options.load_mode,
        progress=partial(report, "loading weights"),
    )


def _tuned_context(
    model: LlamaModel,
    options: EngineOptions,
    draft: LlamaModel | None,
    digest: str,
    report: _ProgressReport,
) -> tuple[ContextOptions, Tuning | None]:
    """The context's options, with what was chosen by measurement for those that nobody set."""
    context = context_options(model, options, draft)
    progress = partial(report, "measuring which settings are fastest")
    tuning = tuned(model, options, context, digest, progress)
    if tuning is None:
        return context, None
    chosen = {name: tuning.chosen[name] for name in unset(options)}
    return replace(context, **chosen), tuning  # type: ignore[arg-type]  # by name


def _drafts(options: EngineOptions) -> bool:
    """True where a draft model is to be loaded."""
    return bool(options.draft_model) and options.speculative != "off"


def _draft_weights(options: EngineOptions, model: LlamaModel, report: _ProgressReport) -> LlamaModel | None:
    if not _drafts(options):
        return None
    return load_draft_weights(options, model, partial(report, "loading the draft model"))


def _drafting(
    draft: LlamaModel,
    model: LlamaModel,
    backend: LlamaBackend,
    options: EngineOptions,
) -> LoadedDraft:
    if not backend.trims:
        cannot = f"{Path(options.path).name} cannot take wrong guesses back (its state cannot be cut)"
        raise ModelError(f"engine.draft_model: {cannot}; set none for it")
    return start_drafting(draft, model, backend.options, options)


def _draft_name(options: EngineOptions, report: _ProgressReport) -> str:
    """The draft model for the configuration; "" where there is none."""
    if not _drafts(options):
        return ""
    path = Path(options.draft_model)
    return f"{path.name} ({_digest(options, path, report)[:12]}), up to {options.draft_max_tokens} tokens"


def _embedding_engine(model: LlamaModel, options: EngineOptions, digest: str) -> EmbeddingEngine:
    """For embeddings nothing is kept between steps: the context is as large as a batch."""
    if options.adapters:
        remedy = "take this model's out of engine.adapters"
        raise ModelError(f"LoRA adapters cannot be used for embeddings; {remedy}")
    if options.draft_model:
        remedy = f"set it to nothing with engine.overrides = {options.model}:draft_model="
        raise ModelError(f"engine.draft_model: nothing is drafted for embeddings; {remedy}")
    trained = model.n_ctx_train
    n_ctx = min(trained, options.n_ctx or trained, options.n_batch)
    context = replace(context_options(model, options), n_ctx=n_ctx, n_batch=n_ctx, n_ubatch=n_ctx)
    embedder = LlamaEmbedder(model, replace(context, kv_unified=True, kv_type_k="f16", kv_type_v="f16"))
    return EmbeddingEngine(
        embedder=embedder,
        config=_config(model, options, embedder, digest, {}),
        special_tokens=model.special_tokens,
        prefill_token_ns=embedder.warm_up(),
        threads_limit=threads_limit(options, None),
        vocab=model.vocab_info,
        buffers={**model.buffers, **embedder.buffers},
    )


def _digest(options: EngineOptions, path: Path, report: _ProgressReport) -> str:
    """The file's digest, with progress for the first time."""
    if not path.is_file():
        raise ModelError(f"there is no file at {path}")
    progress = partial(report.anew(), "computing the file's digest")
    return file_digest(path, Path(options.digest_cache), progress)


class _ProgressReport:
    """Passes on progress in whole steps of 5 %, so that the pipe is not flooded."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._last = -1

    def __call__(self, what: str, fraction: float) -> None:
        step = int(fraction * 20)
        if step != self._last:
            self._last = step
            self._send(Loading(what, round(fraction, 3)))

    def begin(self, what: str) -> None:
        """Something else is done now, and nobody knows how far it is."""
        self._send(Loading(what))

    def anew(self) -> _ProgressReport:
        """A report on something else, which begins with its first step."""
        return _ProgressReport(self._send)


def _template(source: str, special: dict[str, str], options: EngineOptions) -> ChatTemplate:
    bos, eos = special.get("bos", ""), special.get("eos", "")
    mark = not options.allow_control_tokens
    return ChatTemplate(source, bos=bos, eos=eos, timeout_s=options.template_timeout_s, mark=mark)


def _backend(model: LlamaModel, context: ContextOptions, adapters: LlamaAdapters) -> LlamaBackend:
    """With flash attention if asked for, which keeps sequences from slowing each other; without it where it
    cannot be had.
    """
    try:
        return LlamaBackend(model, context, adapters)
    except ModelError:
        if not context.flash_attention or context.kv_type_v not in kv_types.EXACT:
            raise
        return LlamaBackend(model, replace(context, flash_attention=False), adapters)


def _warm_up(backend: LlamaBackend) -> int:
    """Compute one throw-away prompt twice: the first touches the weights, the second is measured (ns per
    token).
    """
    part = Part(0, [0] * WARM_UP_TOKENS, 0, sample=True, prefill=True)
    for _ in range(2):
        backend.open(0, Sampling(temperature=0.0))
        start_ns = time.monotonic_ns()
        backend.compute(Batch((part,)))
        duration_ns = time.monotonic_ns() - start_ns
        backend.close(0)
        backend.trim(0, 0)
    return max(1, duration_ns // WARM_UP_TOKENS)


def _build() -> str:
    """The libraries that compute, by their own names."""
    return f"llama-cpp-python {version('llama-cpp-python')} (llama.cpp {llama.llama_version().decode()})"


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
        n_ctx_train=model.n_ctx_train,
        slots=context.slots,
        n_batch=context.n_batch,
        n_ubatch=min(context.n_ubatch, context.n_batch),
        gpu_layers=options.gpu_layers if llama.llama_supports_gpu_offload() else 0,
        load_mode=options.load_mode,
        rope=", ".join(f"{name} {value:g}" for name, value in context.rope.items()),
        adapters=", ".join(f"{name} ({adapter_digest[:12]})" for name, adapter_digest in adapters.items()),
        draft_model=draft_model,
        llama_cpp_build=_build(),
    )
    fingerprint = hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest()[:16]
    return replace(config, config_id=fingerprint, model=options.model)
