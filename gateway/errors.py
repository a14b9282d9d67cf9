"""Errors that a caller sees, with their HTTP status; each API says them in its own words
(`gateway.api.dialect`).

ApiError                  500  a defect of ours; the log says why
├─ RouteError               4xx  there is no such route
├─ InvalidRequestError      400  a field is missing, wrong or not supported; `param` names it
│  └─ ContextLengthError    400  the prompt does not fit the context
├─ ForbiddenError           403  Host or Origin is not allowed here
├─ ModelNotFoundError       404  no such model is served
├─ StreamNotFoundError      404  there is no stream of that conversation to read on
├─ StreamGapError           410  the stream has lost the bytes that were asked for
├─ NotAcceptableError       406  there is no format that Accept allows
├─ BodyTimeoutError         408  the body did not arrive in time
├─ BodyTooLargeError        413  the body is larger than server.max_body_bytes
├─ UnsupportedEncodingError 415  the body is compressed in a way that is not read here
├─ QueueFullError           429  too many requests wait already
│  └─ TooManyBodiesError    429  too many bodies are arriving already
├─ ClientGoneError          499  the client left before its request was there; nobody reads this
├─ EngineFailedError        500  the engine could not do this request; it goes on
├─ EngineUnavailableError   503  the engine is gone, starting or given up
├─ StoreUnavailableError    503  the database could not be read
└─ RequestTimeoutError      504  the request lived longer than server.request_timeout_s
"""

from __future__ import annotations

from typing import ClassVar

CONTENT_CODINGS = ("gzip", "deflate")
"""Content codings of request bodies that are decoded."""


class ApiError(Exception):
    """An error for the caller. `code` is for programs, the message for people; `param` names the field to
    blame.
    """

    status: int = 500
    default_code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to the error."""
        if self.retry_after_s is None:
            return {}
        return {"retry-after": str(self.retry_after_s), "retry-after-ms": str(self.retry_after_s * 1000)}


class RouteError(ApiError):
    """What no route handles: nothing at this path, or not with this method. `code` "": the status says it
    all.
    """

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class InvalidRequestError(ApiError):
    """The caller must change the request."""

    status = 400
    default_code = "invalid_value"


class ContextLengthError(InvalidRequestError):
    """The prompt is longer than the context."""

    default_code = "context_length_exceeded"

    def __init__(
        self, message: str, *, n_prompt_tokens: int, n_ctx: int, param: str | None = "messages"
    ) -> None:
        super().__init__(message, param=param)
        self.n_prompt_tokens = n_prompt_tokens
        self.n_ctx = n_ctx


class ForbiddenError(ApiError):
    """The Host or Origin is not allowed."""

    status = 403
    default_code = "forbidden"


class ModelNotFoundError(ApiError):
    """No such model."""

    status = 404
    default_code = "model_not_found"


class StreamNotFoundError(ApiError):
    """There is no stream to read on."""

    status = 404
    default_code = "stream_not_found"


class StreamGapError(ApiError):
    """What was asked for of a stream is not kept any more; `first` is the oldest byte that is."""

    status = 410
    default_code = "stream_gap"

    def __init__(self, message: str, first: int) -> None:
        super().__init__(message, param="from")
        self.first = first


class NotAcceptableError(ApiError):
    """Nothing that the client takes can be sent."""

    status = 406
    default_code = "not_acceptable"


class BodyTooLargeError(ApiError):
    """The body is too large."""

    status = 413
    default_code = "body_too_large"


class BodyTimeoutError(ApiError):
    """The body came too slowly."""

    status = 408
    default_code = "body_timeout"


class UnsupportedEncodingError(ApiError):
    """The body's content coding is none of those that we decode."""

    status = 415
    default_code = "unsupported_content_encoding"

    @property
    def headers(self) -> dict[str, str]:
        """What would be read (RFC 9110, 15.5.16)."""
        return {**super().headers, "accept-encoding": ", ".join(CONTENT_CODINGS)}


class ClientGoneError(ApiError):
    """The client closed the connection in the middle of its body."""

    status = 499
    default_code = "client_disconnect"


class QueueFullError(ApiError):
    """Come back later."""

    status = 429
    default_code = "queue_full"


class TooManyBodiesError(QueueFullError):
    """Come back when others have sent theirs."""

    default_code = "too_many_bodies"


class EngineFailedError(ApiError):
    """The engine refused or failed this one request."""

    status = 500
    default_code = "engine_error"


class EngineUnavailableError(ApiError):
    """There is no engine to answer."""

    status = 503
    default_code = "engine_unavailable"


class StoreUnavailableError(ApiError):
    """The database did not answer, or not in time."""

    status = 503
    default_code = "store_unavailable"


class RequestTimeoutError(ApiError):
    """It took too long."""

    status = 504
    default_code = "timeout"
