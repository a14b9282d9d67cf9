"""Commands that send a request again. Content is not stored, so the messages are a placeholder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

PLACEHOLDER = "Say hello in five words."

OUR_NAMES = {"stop_sequences": "stop"}
"""Parameters that the API calls differently than the record does."""


def curl(
    base_url: str,
    model: str | None,
    api: str = "chat",
    params: Mapping[str, object] | None = None,
    stream: bool = False,
    extra: Mapping[str, object] | None = None,
) -> str:
    """A `curl` command for a POSIX shell; `api` is the record's, `extra` are further fields."""
    chat = "chat" in api or "completion" not in api
    prompt: dict[str, object] = {"messages": [{"role": "user", "content": PLACEHOLDER}]} if chat else {"prompt": PLACEHOLDER}
    body = {"model": model or "MODEL", **prompt, **{OUR_NAMES.get(k, k): v for k, v in (params or {}).items()}, **(extra or {})}
    if stream:
        body["stream"] = True
    path = "/v1/chat/completions" if chat else "/v1/completions"
    command = ["curl", *(["-N"] if stream else []), f"{base_url}{path}"]
    return f"{shlex.join(command)} \\\n  -H 'content-type: application/json' \\\n  -d {shlex.quote(json.dumps(body))}"
