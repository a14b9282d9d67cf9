"""A handle is a folder and a line: what it answers is measured and told as an engine's answers are, with
its own provider.
"""

from __future__ import annotations

import re

import httpx
import openai

from tests.toys.conftest import ToyServed
from tests.toys.handle import MODEL


def test_it_answers_in_every_dialect(toys: ToyServed) -> None:
    """Through the official client, streamed too, and through the toy dialect."""
    client = openai.OpenAI(base_url=f"{toys.base_url}/v1", api_key="none", max_retries=0)
    asked = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "a b c"}])
    assert asked.choices[0].message.content == "a b c c b a"
    assert asked.usage is not None
    assert asked.usage.prompt_tokens == 3
    chunks = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "a b c"}], stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "a b c c b a"
    said = httpx.post(f"{toys.base_url}/toy/say", json={"to": MODEL, "say": "a b"}).json()
    assert said == {"text": "a b b a", "tokens": 2}


def test_its_figures_are_complete(toys: ToyServed) -> None:
    """Row, metrics and waterfall; the provider is its own."""
    answer = toys.chat("one two three", model=MODEL)
    row = toys.row(answer.headers["x-request-id"])
    assert (row["status"], row["provider"], row["prompt_tokens"], row["completion_tokens"]) == (
        "ok",
        "toy",
        3,
        3,
    )
    assert row["ttft_ms"] > 0
    assert row["decode_tps"] > 0
    metrics = httpx.get(f"{toys.base_url}/metrics").text
    assert re.search(
        r'gen_ai_server_request_duration_seconds_count\{[^}]*gen_ai_provider_name="toy"', metrics
    )
    page = httpx.get(f"{toys.base_url}/dashboard/requests/{answer.headers['x-request-id']}")
    assert page.status_code == 200
    assert MODEL in page.text


def test_it_is_listed_and_refuses(toys: ToyServed) -> None:
    """Among the models, in readiness, and with a clear error for what it cannot do."""
    models = httpx.get(f"{toys.base_url}/v1/models").json()["data"]
    assert {model["id"]: model["state"] for model in models} == {"fake": "ready", MODEL: "ready"}
    ready = httpx.get(f"{toys.base_url}/readyz").json()
    assert MODEL in {model["model"] for model in ready["models"]}
    refused = httpx.post(f"{toys.base_url}/v1/embeddings", json={"model": MODEL, "input": "x"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "model")
