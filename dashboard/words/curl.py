"""Commands that send a request again. Content is not stored, so the messages are a placeholder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

QUESTION = "Explain gravity in one sentence."
"""The question of a chat: even the smallest model knows the answer."""

PLACEHOLDER = "Say hello in five words."

CHAT = "chat.completions"

CONTENT: dict[str, dict[str, object]] = {
    CHAT: {"messages": [{"role": "user", "content": QUESTION}]},
    "embeddings": {"input": PLACEHOLDER},
    "rerank": {
        "query": PLACEHOLDER,
        "documents": ["Hello, dear friend, how are you?", "Bread is baked in an oven."],
    },
}
"""The content of a request to each API, by the record's name of it; `/v1/` and that name is its address."""

EXAMPLE: dict[str, dict[str, object]] = {CHAT: {"temperature": 0}}
"""Parameters of a request that nobody sent yet: a small model's likeliest words are its best ones."""

OUR_NAMES = {"stop_sequences": "stop"}
"""Parameters that the API calls differently than the record does."""


def curl(
    base_url: str,
    model: str | None,
    api: str = CHAT,
    params: Mapping[str, object] | None = None,
    stream: bool = False,
    extra: Mapping[str, object] | None = None,
) -> str:
    """A `curl` command for a POSIX shell; '' for an API that is not known.

    `api` and `params` are the record's (None: an example), `extra` are further fields.
    """
    if api not in CONTENT:
        return ""
    params = EXAMPLE.get(api, {}) if params is None else params
    given = {OUR_NAMES.get(name, name): value for name, value in params.items()}
    body = {"model": model or "MODEL", **CONTENT[api], **given, **(extra or {})}
    if stream:
        body["stream"] = True
    command = ["curl", *(["-N"] if stream else []), f"{base_url}/v1/{api.replace('.', '/')}"]
    headers = "-H 'content-type: application/json'"
    return f"{shlex.join(command)} \\\n  {headers} \\\n  -d {shlex.quote(json.dumps(body))}"
