"""Exceptions → the envelope, on every route."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from gateway.api.http.exchange import Exchange
from gateway.errors import ApiError, ErrorBody, ErrorEnvelope
from telemetry.logs.events import event

log = logging.getLogger(__name__)

CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def api_error(_request: Request[Any, Any, Any], error: ApiError) -> Response[Any]:
    """An error of ours."""
    return Response(ErrorEnvelope(error.body), status_code=error.status, headers=error.headers, media_type="application/json")


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """An error of the framework: no such route, wrong method."""
    kind = "invalid_request_error" if error.status_code < 500 else "server_error"
    message = error.detail
    if error.status_code == 404:
        message = f"There is nothing at {request.url.path}. The API is under /v1 (see /schema), the dashboard under /dashboard."
    body = ErrorBody(message, kind, CODES.get(error.status_code), None)
    return Response(ErrorEnvelope(body), status_code=error.status_code, headers=error.headers, media_type="application/json")


def _about(exchange: Exchange | None) -> dict[str, Any]:
    """Of a log line: the request that it happened in."""
    name = "gateway.unexpected_error"
    if exchange is not None and exchange.record is not None:
        return event(name, trace=exchange.record.trace, request_id=exchange.record.request_id)
    return event(name) if exchange is None else event(name, request_id=exchange.request_id)


def unexpected_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A defect of ours: logged with its trace, told without it."""
    exchange: Exchange | None = request.scope.get("state", {}).get("exchange")
    log.error("unexpected error on %s %s", request.method, request.url.path, exc_info=error, extra=_about(exchange))
    body = ErrorBody("The gateway failed on this request; its log says why.", "server_error", "internal_error", None)
    return Response(ErrorEnvelope(body), status_code=500, media_type="application/json")
