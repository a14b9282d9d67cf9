"""The routes of dialects: every endpoint is received, measured and answered in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Request, post
from litestar.datastructures import State
from litestar.types import ASGIApp

from gateway.api.dialect import Dialect, Endpoint
from gateway.api.http.answering import Serving
from gateway.api.http.body import BodyReader
from gateway.api.http.openapi import operation_of
from gateway.api.http.reception import open_request


def routes_of(dialect: Dialect) -> list[Any]:
    """All that a dialect serves."""
    return [*(_route(dialect, endpoint) for endpoint in dialect.endpoints), *dialect.routes]


def _route(dialect: Dialect, endpoint: Endpoint) -> Any:
    """A handler that is named as its endpoint, which OpenAPI shows."""
    decorate: Callable[[Any], Any] = post(
        endpoint.path,
        status_code=200,
        operation_class=operation_of(dialect, endpoint),
        operation_id=endpoint.operation_id,
        summary=endpoint.summary,
        tags=[endpoint.tag],
    )

    async def answer(request: Request[Any, Any, State], serving: Serving, bodies: BodyReader) -> ASGIApp:
        return await open_request(request, serving, bodies, endpoint)

    return decorate(answer)
