"""A dialect is a folder and a line: its requests are measured, limited and refused as any other's, in its
own words.
"""

from __future__ import annotations

import httpx

from tests.toys.conftest import ToyServed


def say(toys: ToyServed, **body: object) -> httpx.Response:
    return httpx.post(f"{toys.base_url}/toy/say", json={"to": "fake", "say": "Hi!", **body}, timeout=30)


def test_whole_and_streamed(toys: ToyServed) -> None:
    """The same text, and a complete row of each."""
    whole, streamed = say(toys), say(toys, live=True)
    answer = whole.json()
    lines = streamed.text.splitlines()
    assert answer["tokens"] == 5
    assert "".join(line[1:] for line in lines if line.startswith("+")) == answer["text"]
    assert lines[-1] == ".5"
    for response, stream in ((whole, 0), (streamed, 1)):
        row = toys.row(response.headers["x-request-id"])
        assert (row["api"], row["status"], row["stream"], row["provider"]) == (
            "toy.say",
            "ok",
            stream,
            "llama_cpp",
        )
        assert (row["completion_tokens"], row["prompt_tokens"] > 0, row["ttft_ms"] > 0) == (5, True, True)
        assert row["unaccounted_ms"] <= max(2.0, 0.02 * row["total_ms"])


def test_errors_in_its_own_words(toys: ToyServed) -> None:
    """A bad body, a model that is not there, a path that is not there; and other paths keep theirs."""
    bad = say(toys, say=1)
    assert (bad.status_code, list(bad.json())) == (400, ["wrong"])
    unknown = say(toys, to="nobody")
    assert unknown.status_code == 404
    assert "nobody" in unknown.json()["wrong"]
    assert toys.row(unknown.headers["x-request-id"])["error_type"] == "model_not_found"
    assert "wrong" in httpx.get(f"{toys.base_url}/toy/none").json()
    assert "error" in httpx.get(f"{toys.base_url}/v1/none").json()


def test_it_is_described(toys: ToyServed) -> None:
    """OpenAPI has its route with its own schemas."""
    paths = httpx.get(f"{toys.base_url}/schema/openapi.json").json()["paths"]
    responses = paths["/toy/say"]["post"]["responses"]
    assert "wrong" in responses["400"]["content"]["application/json"]["schema"]["properties"]
