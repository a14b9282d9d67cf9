"""The tasks that engines are for, and the answer to a request of another kind."""

from __future__ import annotations

from gateway.engine.protocol import Embed, Refused, Submit

REMEDIES = {
    "chat": (
        "It is served for chat; serve it with engine.embeddings = on, or name a model whose file says how to"
        " pool."
    ),
    "embeddings": (
        "It is served for embeddings: use /v1/embeddings, name another model, or serve it with"
        " engine.embeddings = off."
    ),
    "rerank": "It is a reranking model: use /v1/rerank, or name another model.",
}


def refusal(request: Submit | Embed, task: str) -> Refused:
    """The answer to a request of another kind than the engine's `task`."""
    wanted = "chat" if isinstance(request, Submit) else "embeddings" if request.query is None else "reranking"
    return Refused(
        id=request.id,
        code="unsupported_task",
        message=f"This model cannot do {wanted}. {REMEDIES[task]}",
        param="model",
    )
