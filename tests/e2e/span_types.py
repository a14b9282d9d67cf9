"""The spans of a request to the real model, with the name and type of each attribute."""

from __future__ import annotations

from tests.e2e.serving import MODEL

SERVER, CHAT, CHUNK = "POST /v1/chat/completions", f"chat {MODEL}", "firsttoken.prefill.chunk"
SECRET = "kumquat"

TYPES: dict[str, dict[str, type]] = {
    SERVER: {
        "http.request.method": str,
        "http.route": str,
        "http.response.status_code": int,
        "url.path": str,
        "url.scheme": str,
        "server.address": str,
        "server.port": int,
        "firsttoken.request.id": str,
    },
    "firsttoken.admit": {"firsttoken.admit.decision": str},
    CHAT: {
        "gen_ai.operation.name": str,
        "gen_ai.provider.name": str,
        "gen_ai.request.model": str,
        "gen_ai.request.max_tokens": int,
        "gen_ai.request.temperature": float,
        "gen_ai.request.seed": int,
        "gen_ai.request.stream": bool,
        "gen_ai.response.id": str,
        "gen_ai.response.model": str,
        "gen_ai.response.finish_reasons": tuple,
        "gen_ai.response.time_to_first_chunk": float,
        "gen_ai.usage.input_tokens": int,
        "gen_ai.usage.output_tokens": int,
        "gen_ai.usage.cache_read.input_tokens": int,
        "gen_ai.usage.cache_write.input_tokens": int,
        "firsttoken.client": str,
    },
    "firsttoken.render": {"firsttoken.render.characters": int},
    "firsttoken.tokenize": {"firsttoken.tokenize.tokens": int, "firsttoken.tokenize.characters": int},
    "firsttoken.cache.lookup": {
        "firsttoken.cache.matched_tokens": int,
        "firsttoken.cache.source": str,
        "firsttoken.cache.reason": str,
    },
    "firsttoken.queue": {"firsttoken.queue.position": int, "firsttoken.queue.depth": int},
    "firsttoken.prefill": {
        "firsttoken.prefill.tokens": int,
        "firsttoken.prefill.cached_tokens": int,
        "firsttoken.prefill.computed_tokens": int,
        "firsttoken.prefill.tokens_per_second": float,
    },
    CHUNK: {"firsttoken.prefill.chunk.tokens": int, "firsttoken.prefill.chunk.sequences": int},
    "firsttoken.decode": {
        "firsttoken.decode.tokens": int,
        "firsttoken.decode.steps": int,
        "firsttoken.decode.mean_batch": float,
        "firsttoken.decode.draft_tokens": int,
        "firsttoken.decode.accepted_tokens": int,
        "firsttoken.decode.tokens_per_second": float,
        "firsttoken.decode.inter_token.p50": float,
        "firsttoken.decode.inter_token.p95": float,
        "firsttoken.decode.inter_token.max": float,
        "firsttoken.decode.stalls": int,
    },
    "firsttoken.stream": {
        "firsttoken.stream.chunks": int,
        "firsttoken.stream.bytes": int,
        "firsttoken.stream.blocked": float,
    },
}
"""Every attribute of every span of the request that `streamed` sends, with its type."""
