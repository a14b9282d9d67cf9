"""Kinds of client programs, from the User-Agent: a label of metrics, so one of a few words."""

from __future__ import annotations

import re

OTHER = "_other"
"""The kind of what is not in `KINDS`, and of a client that does
not say: what clients invent makes no series.
"""

KINDS = frozenset(
    {
        "ai-sdk", "aider", "aiohttp", "anthropic", "cherrystudio", "claude-cli", "cline", "codex",
        "continue", "crush", "curl", "cursor", "go-http-client", "goose", "httpie", "httpx", "jan",
        "langchain", "librechat", "litellm", "llamaindex", "mozilla", "node", "ollama", "open-webui",
        "openai-js", "openai-python", "opencode", "postmanruntime", "python-requests", "roo-code",
        "sillytavern", "wget", "zed",
    }
)  # fmt: skip

_PRODUCT = re.compile(r"([A-Za-z0-9._-]+)(?:/([A-Za-z0-9._-]+))?")
_NAMES = {
    "openai/python": "openai-python",
    "asyncopenai/python": "openai-python",
    "openai/js": "openai-js",
    "asyncopenai/js": "openai-js",
    "anthropic/python": "anthropic",
    "asyncanthropic/python": "anthropic",
    "anthropic/js": "anthropic",
    "python-httpx": "httpx",
    "codex_cli_rs": "codex",
    "codex-cli": "codex",
    "openwebui": "open-webui",
    "ai": "ai-sdk",
    "roocode": "roo-code",
    "undici": "node",
}
_CALLERS_OF_LIBRARIES = frozenset({"python"})
"""Products that name the language first and the library after it (`Python/3.12 aiohttp/3.13`)."""


def kind_of(user_agent: str) -> str:
    """One of `KINDS`, by the first product that the client names, or `OTHER`."""
    for match in list(_PRODUCT.finditer(user_agent[:256]))[:2]:
        product, version = match.group(1).lower(), (match.group(2) or "").lower()
        name = _NAMES.get(f"{product}/{version}") or _NAMES.get(product, product)
        if name in KINDS:
            return name
        if product not in _CALLERS_OF_LIBRARIES:
            return OTHER
    return OTHER
