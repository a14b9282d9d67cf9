"""`GET /v1/models` and `GET /v1/models/{id}`."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import get

from gateway.engine.tuning import Tuning
from gateway.serving.handle import Description
from gateway.serving.router import Router, Target
from telemetry.events import EngineConfig


class Meta(msgspec.Struct):
    """What the model is, in llama-server's names: context as served and as trained, size in bytes,
    vocabulary.
    """

    n_ctx: int
    n_ctx_train: int
    n_params: int
    size: int
    vocab_type: int | None
    n_vocab: int | None
    n_embd: int | None


class Model(msgspec.Struct):
    """One model: OpenAI's four fields, its state, and once loaded what it runs with and can do (`task`).
    `tuning` is what was chosen by measurement, `threads_limit` what decided the number of threads; `parent`
    is the model that a LoRA adapter belongs to.
    """

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    state: str
    state_reason: str
    config: EngineConfig | None
    special_tokens: dict[str, str] | None
    chat_template: bool | None
    task: str | None
    tuning: Tuning | None = None
    threads_limit: str | None = None
    parent: str | None = None
    meta: Meta | None = None
    capabilities: list[str] = []


CAPABILITIES = {"chat": ("completion", "chat"), "embeddings": ("embeddings",), "rerank": ("rerank",)}
"""What each task lets a client ask for."""


class ModelList(msgspec.Struct):
    """All models that are served."""

    object: Literal["list"]
    data: list[Model]


def _model(name: str, target: Target, created: int) -> Model:
    handle, known = target.handle, target.handle.description
    about = known or Description()
    return Model(
        id=name,
        object="model",
        created=created,
        owned_by="firsttoken",
        state=handle.status.state,
        state_reason=handle.status.reason,
        config=about.config,
        special_tokens=None if about.special_tokens is None else dict(about.special_tokens),
        chat_template=about.chat_template,
        task=None if known is None else known.task,
        tuning=about.tuning,
        threads_limit=about.threads_limit,
        parent=handle.model if target.adapter else None,
        meta=_meta(about),
        capabilities=[] if known is None else list(CAPABILITIES[known.task]),
    )


def _meta(about: Description) -> Meta | None:
    config, vocab = about.config, about.vocab
    if config is None:
        return None
    return Meta(
        n_ctx=config.n_ctx,
        n_ctx_train=config.n_ctx_train,
        n_params=config.parameters,
        size=config.model_size_bytes,
        vocab_type=None if vocab is None else vocab.type,
        n_vocab=None if vocab is None else vocab.n_tokens,
        n_embd=None if vocab is None else vocab.n_embd,
    )


@get("/v1/models", operation_id="listModels", tags=["models"])
async def list_models(router: Router, started_at: int) -> ModelList:
    """List the models that are served here, those with a LoRA adapter included."""
    return ModelList("list", [_model(name, router.find(name), started_at) for name in router.names])


@get("/v1/models/{model_id:path}", operation_id="getModel", tags=["models"])
async def get_model(model_id: str, router: Router, started_at: int) -> Model:
    """Describe one model: its state, and the settings that it really runs with."""
    name = model_id.removeprefix("/")
    return _model(name, router.find(name), started_at)
