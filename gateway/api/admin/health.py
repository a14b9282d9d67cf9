"""`/healthz` (the process lives), `/readyz` (it can answer), `/metrics`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from litestar import Request, Response, get

from gateway.errors import NotAcceptableError
from gateway.serving.router import Router
from telemetry.health import StoreHealth, readiness
from telemetry.metrics.prometheus import UnacceptableError

MetricsPage = Callable[[str], tuple[bytes, str]]
"""Accept header → body and content type."""

StoreHealthNow = Callable[[], StoreHealth]
"""The store's state."""


class Health(msgspec.Struct):
    """The process is alive."""

    status: str


class ModelState(msgspec.Struct):
    """Whether one model can answer, and if not, why."""

    model: str
    state: str
    reason: str
    restarts: int


class Readiness(msgspec.Struct):
    """`status` is `ready` or `not_ready`. The store never makes the gateway unready, it is only told about:
    `ok` after it was written to, `off` where nothing is recorded, else why it is not written.
    """

    status: str
    reason: str
    models: list[ModelState]
    store: str


@get("/healthz", operation_id="health", tags=["operation"])
async def healthz() -> Health:
    """Tell that the process is alive."""
    return Health("ok")


@get("/readyz", operation_id="readiness", tags=["operation"])
async def readyz(router: Router, store_health: StoreHealthNow) -> Response[Readiness]:
    """200 when a configured model can answer, else 503 with the reason."""
    statuses = [handle.status for handle in router.handles]
    found = readiness(statuses)
    models = [ModelState(status.model, status.state, status.reason, status.restarts) for status in statuses]
    body = Readiness("ready" if found.ready else "not_ready", found.reason, models, store_health().summary)
    return Response(body, status_code=200 if found.ready else 503)


@get("/metrics", operation_id="metrics", tags=["operation"], media_type="text/plain")
async def metrics(request: Request, metrics_page: MetricsPage) -> Response[bytes]:  # type: ignore[type-arg]
    """All metrics, as OpenMetrics with exemplars to whoever accepts that, else as Prometheus text."""
    try:
        body, content_type = metrics_page(request.headers.get("accept", ""))
    except UnacceptableError as error:
        raise NotAcceptableError(str(error), param="accept") from None
    return Response(body, headers={"content-type": content_type})
