"""Exceptions → an answer in the words of the path's dialect, on every route."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from gateway.api.http.exchange import Exchange, exchange_of
from gateway.errors import ApiError, RouteError
from telemetry.logs.events import event

log = logging.getLogger(__name__)

CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def api_error(request: Request[Any, Any, Any], error: ApiError) -> Response[Any]:
    """An error of ours."""
    return _told(request, error, error.headers)


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """An error of the framework: no such route, wrong method."""
    message = error.detail
    if error.status_code == 404:
        message = (
            f"There is nothing at {request.url.path}. The API is under /v1 (see /schema), the dashboard under"
            " /dashboard."
        )
    return _told(
        request, RouteError(message, error.status_code, CODES.get(error.status_code, "")), error.headers or {}
    )


def _told(request: Request[Any, Any, Any], error: ApiError, headers: Mapping[str, str]) -> Response[Any]:
    """An error in the words of the path's dialect."""
    body = exchange_of(request.scope).dialect.error(error)
    return Response(body, status_code=error.status, headers=headers, media_type="application/json")


def _about(exchange: Exchange | None) -> dict[str, Any]:
    """Of a log line: the request that it happened in."""
    name = "gateway.unexpected_error"
    if exchange is not None and exchange.record is not None:
        return event(name, trace=exchange.record.trace, request_id=exchange.record.request_id)
    return event(name) if exchange is None else event(name, request_id=exchange.request_id)


def unexpected_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A defect of ours: logged with its trace, told without it."""
    exchange: Exchange | None = request.scope.get("state", {}).get("exchange")
    log.error(
        "unexpected error on %s %s", request.method, request.url.path, exc_info=error, extra=_about(exchange)
    )
    return _told(request, ApiError("The gateway failed on this request; its log says why."), {})
