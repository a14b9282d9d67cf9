"""`GET /v1/models` and `GET /v1/models/{id}`."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import get

from gateway.engine.tuning import Tuning
from gateway.serving.handle import Description
from gateway.serving.router import Router, Target
from telemetry.events import EngineConfig


class Model(msgspec.Struct):
    """One model: OpenAI's four fields, its state, and once loaded what it runs with and can do (`task`). `tuning` is what was
    chosen by measurement, `threads_limit` what decided the number of threads; `parent` is the model that a LoRA adapter belongs to.
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
