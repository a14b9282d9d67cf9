"""Server-sent events as OpenAI has them: data lines alone."""

from __future__ import annotations

DONE = b"data: [DONE]\n\n"


def sse(data: bytes) -> bytes:
    """One server-sent event."""
    return b"data: " + data + b"\n\n"
