"""Writing responses by hand, where the framework's own would cost more than the work or would hide time."""

from __future__ import annotations

from litestar.types import Send

from gateway.api.dialect import JSON, Dialect
from gateway.errors import ApiError


async def send_start(
    send: Send, status: int, content_type: bytes, headers: dict[str, str] | None = None
) -> None:
    """Status and headers."""
    extra = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", content_type), *extra],
        }
    )


async def send_body(send: Send, body: bytes, *, more: bool = False) -> None:
    """A piece of the body."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def send_json(send: Send, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    """A whole JSON response."""
    await send_start(send, status, JSON, {"content-length": str(len(body)), **(headers or {})})
    await send_body(send, body)


async def send_error(send: Send, error: ApiError, dialect: Dialect) -> None:
    """An error in a dialect's words."""
    await send_json(send, error.status, dialect.error(error), error.headers)
