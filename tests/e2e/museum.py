"""Chats about a museum, whose long system message the prefix cache is tested with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.serving import Served

RULES = "You are the guide of a museum of clocks. " + " ".join(
    f"Room {number} holds {number * 3} clocks." for number in range(1, 21)
)
SYSTEM = {"role": "system", "content": RULES}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def ask(served: Served, messages: list[dict[str, str]], **controls: Any) -> dict[str, Any]:
    """A whole answer: its text and its timings."""
    response = served.chat(messages=messages, **controls)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == body["timings"]["cache_n"]
    return {"text": body["choices"][0]["message"]["content"], **body["timings"]}


def follow(messages: list[dict[str, str]], answer: dict[str, Any], text: str) -> list[dict[str, str]]:
    return [*messages, {"role": "assistant", "content": answer["text"]}, user(text)]


def files(home: Path) -> list[Path]:
    """The prefix cache's files."""
    return list((home / "cache" / "prefix").glob("*/*/*.kv"))
