"""Errors in OpenAI's words: the envelope of every route under `/v1`, and of those that are no API's."""

from __future__ import annotations

import msgspec

from gateway.api.openai.sse import sse
from gateway.errors import ApiError, ContextLengthError

TYPES = {403: "permission_error", 408: "timeout_error", 429: "rate_limit_error", 504: "timeout_error"}
"""OpenAI's `type` by status, where it is not one of the two below."""


class ErrorBody(msgspec.Struct, omit_defaults=False):
    """The inside of the envelope."""

    message: str
    type: str
    code: str | None
    param: str | None


class ErrorDetails(ErrorBody):
    """With the numbers of an overflow."""

    n_prompt_tokens: int
    n_ctx: int


class ErrorEnvelope(msgspec.Struct):
    """What every error response under `/v1` carries."""

    error: ErrorBody


def envelope(error: ApiError) -> bytes:
    """The body of an error response."""
    return msgspec.json.encode(ErrorEnvelope(_body(error)))


def frame(error: ApiError) -> bytes:
    """The end of a stream that failed."""
    return sse(envelope(error))


def _body(error: ApiError) -> ErrorBody:
    kind = TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    if isinstance(error, ContextLengthError):
        return ErrorDetails(error.message, kind, error.code, error.param, error.n_prompt_tokens, error.n_ctx)
    return ErrorBody(error.message, kind, error.code or None, error.param)
