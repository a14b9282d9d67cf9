"""`GET /v1/models` and `GET /v1/models/{id}`."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import get

from gateway.serving.engine_handle import EngineHandle
from gateway.serving.router import Router
from telemetry.events import EngineConfig


class Model(msgspec.Struct):
    """One model: OpenAI's four fields, its state, and once loaded what it runs with and can do (`task`)."""

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


class ModelList(msgspec.Struct):
    """All models that are served."""

    object: Literal["list"]
    data: list[Model]


def _model(handle: EngineHandle, created: int) -> Model:
    ready = handle.ready
    return Model(
        id=handle.model,
        object="model",
        created=created,
        owned_by="firsttoken",
        state=handle.status.state,
        state_reason=handle.status.reason,
        config=None if ready is None else ready.config,
        special_tokens=None if ready is None else ready.special_tokens,
        chat_template=None if ready is None else ready.chat_template is not None,
        task=None if ready is None else ready.task,
    )


@get("/v1/models", operation_id="listModels", tags=["models"])
async def list_models(router: Router, started_at: int) -> ModelList:
    """List the models that are served here."""
    return ModelList("list", [_model(handle, started_at) for handle in router.handles])


@get("/v1/models/{model_id:path}", operation_id="getModel", tags=["models"])
async def get_model(model_id: str, router: Router, started_at: int) -> Model:
    """Describe one model: its state, and the settings that it really runs with."""
    return _model(router.find(model_id.removeprefix("/")), started_at)
