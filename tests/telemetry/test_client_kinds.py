"""Kinds of clients: few words, whatever clients say."""

from __future__ import annotations

import pytest

from telemetry.client_kinds import KINDS, OTHER, kind_of


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        ("curl/8.5.0", "curl"),
        ("OpenAI/Python 3.2.0", "openai-python"),
        ("AsyncOpenAI/Python 3.2.0", "openai-python"),
        ("OpenAI/JS 6.1.0", "openai-js"),
        ("Anthropic/Python 0.70", "anthropic"),
        ("claude-cli/2.0.1 (external, cli)", "claude-cli"),
        ("codex_cli_rs/0.50 (Linux)", "codex"),
        ("python-httpx/0.28.1", "httpx"),
        ("Python/3.12 aiohttp/3.13.0", "aiohttp"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "mozilla"),
        ("", OTHER),
        ("made-up/1.0 curl/8", OTHER),
        ("x" * 100_000, OTHER),
        ("///", OTHER),
    ],
)
def test_a_client_is_of_a_known_kind_or_of_another(user_agent: str, kind: str) -> None:
    """By the first product that it names."""
    assert kind_of(user_agent) == kind


def test_clients_cannot_make_series() -> None:
    """Whatever they say is one of the words."""
    assert {kind_of(f"client-{n}/1.0") for n in range(100)} <= KINDS | {OTHER}
