"""Embeddings and reranking through a real gateway, with real GGUF files and the openai client."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gguf
import httpx
import numpy as np
import openai
import pytest

from tests.e2e.serving import MODEL, Served, until
from tests.engine.tiny_bert import CONTEXT, WIDTH, write_bert

MANY = 2048
"""Inputs that take far longer than a client waits that leaves."""

TEXTS = ["the cat sat on the mat", "rain falls", "the sun shines"]


@pytest.fixture(scope="module")
def embedding_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with an embedding model and a reranker."""
    folder = tmp_path_factory.mktemp("models")
    models = [write_bert(folder / "tiny.gguf"), write_bert(folder / "rank.gguf", gguf.PoolingType.RANK)]
    served = Served(
        tmp_path_factory.mktemp("embedding"), *(flag for path in models for flag in ("--model", str(path)))
    ).start()
    yield served
    assert served.stop() == 0


@pytest.fixture(scope="module")
def client(embedding_served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{embedding_served.base_url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def post(served: Served, path: str, body: dict[str, Any]) -> httpx.Response:
    """A request with a body as it stands."""
    return httpx.post(f"{served.base_url}/v1/{path}", json=body, timeout=60)


def test_texts_become_unit_vectors(client: openai.OpenAI) -> None:
    """The client asks for base64 by itself; floats say the same."""
    packed = client.embeddings.create(model="tiny", input=TEXTS)
    plain = client.embeddings.create(model="tiny", input=TEXTS, encoding_format="float")
    got = np.array([item.embedding for item in packed.data])
    assert [item.index for item in packed.data] == [0, 1, 2]
    assert got.shape == (3, WIDTH)
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    assert np.allclose(got, np.array([item.embedding for item in plain.data]), atol=1e-6)
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == 8 + 4 + 5
    assert packed.model == "tiny"


@pytest.mark.parametrize("given", ["rain falls", ["rain falls"], [2, 13, 14, 3], [[2, 13, 14, 3]]])
def test_every_form_of_input_gives_the_same(client: openai.OpenAI, given: Any) -> None:
    """A text, a list of texts, tokens, a list of tokens."""
    wanted = client.embeddings.create(model="tiny", input=TEXTS).data[1].embedding
    (item,) = client.embeddings.create(model="tiny", input=given).data
    assert np.allclose(item.embedding, wanted, atol=1e-5)


def test_dimensions_cut_and_normalise_again(client: openai.OpenAI) -> None:
    """Fewer numbers, in the same direction, of length one."""
    whole = np.array(client.embeddings.create(model="tiny", input="rain falls").data[0].embedding)
    cut = np.array(client.embeddings.create(model="tiny", input="rain falls", dimensions=8).data[0].embedding)
    assert np.allclose(cut, whole[:8] / np.linalg.norm(whole[:8]), atol=1e-5)


def test_base64_is_little_endian_floats(embedding_served: Served) -> None:
    """As OpenAI writes it."""
    item = post(
        embedding_served, "embeddings", {"model": "tiny", "input": "the cat", "encoding_format": "base64"}
    ).json()["data"][0]
    assert np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4").shape == (WIDTH,)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": []}, "input", "invalid_value"),
        ({"input": ["the cat", ""]}, "input[1]", "invalid_value"),
        ({"input": ["the cat", 5]}, "input[1]", "invalid_value"),
        ({"input": [[5, 99999]]}, "input[0]", "invalid_value"),
        ({"input": "the cat", "dimensions": WIDTH + 1}, "dimensions", "invalid_value"),
        ({"input": "the cat", "encoding_format": "hex"}, "encoding_format", "invalid_type_or_value"),
        ({"input": ["the cat", "the " * CONTEXT]}, "input[1]", "context_length_exceeded"),
    ],
)
def test_a_wrong_request_names_the_field(
    embedding_served: Served, body: dict[str, Any], param: str, code: str
) -> None:
    """400 with `param`, and the index of an input."""
    response = post(embedding_served, "embeddings", {"model": "tiny", **body})
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)
    if code == "context_length_exceeded":
        assert (error["n_prompt_tokens"], error["n_ctx"]) == (CONTEXT + 2, CONTEXT)


def test_documents_are_ranked(embedding_served: Served) -> None:
    """Most relevant first, cut to `top_n`, with the documents when asked for."""
    body = {"model": "rank", "query": "the cat", "documents": [TEXTS[0], {"text": TEXTS[1]}, TEXTS[2]]}
    whole = post(embedding_served, "rerank", body).json()
    scores = [result["relevance_score"] for result in whole["results"]]
    assert scores == sorted(scores, reverse=True)
    assert sorted(result["index"] for result in whole["results"]) == [0, 1, 2]
    assert "document" not in whole["results"][0]
    assert whole["usage"]["total_tokens"] > 0
    best = post(embedding_served, "rerank", body | {"top_n": 1, "return_documents": True}).json()["results"]
    assert [result["index"] for result in best] == [whole["results"][0]["index"]]
    assert best[0]["document"] == {"text": TEXTS[best[0]["index"]]}


def test_a_model_refuses_what_it_cannot_do(embedding_served: Served, served: Served) -> None:
    """400 that names the remedy, for each pair of model and route that does not fit; the model's page says
    what fits.
    """
    chat = {"messages": [{"role": "user", "content": "hi"}]}
    rank = {"query": "the cat", "documents": TEXTS}
    refused = [
        (post(embedding_served, "chat/completions", {"model": "tiny", **chat}), "/v1/embeddings"),
        (post(embedding_served, "rerank", {"model": "tiny", **rank}), "another model"),
        (post(embedding_served, "embeddings", {"model": "rank", "input": "the cat"}), "/v1/rerank"),
        (post(served, "embeddings", {"model": MODEL, "input": "the cat"}), "engine.embeddings"),
    ]
    for response, remedy in refused:
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, "unsupported_task", "model")
        assert remedy in error["message"]
    tasks = {
        model["id"]: model["task"]
        for model in httpx.get(f"{embedding_served.base_url}/v1/models").json()["data"]
    }
    assert tasks == {"tiny": "embeddings", "rank": "rerank"}


def test_the_row_has_prompt_figures_and_no_decode_figures(embedding_served: Served) -> None:
    """What was not measured is NULL; the waterfall adds up."""
    identity = "embedding-row"
    headers = {"x-request-id": identity}
    httpx.post(
        f"{embedding_served.base_url}/v1/embeddings", json={"model": "tiny", "input": TEXTS}, headers=headers
    )
    (row,) = until(
        lambda: [row for row in embedding_served.rows() if row["id"] == identity and row["status"] == "ok"],
        what="the row",
    )
    assert (row["api"], row["prompt_tokens"], row["context_bucket"]) == ("embeddings", 17, "0-512")
    assert min(row["tokenize_ms"], row["queue_ms"], row["prefill_ms"]) >= 0
    unmeasured = (
        "completion_tokens",
        "ttft_ms",
        "decode_ms",
        "decode_tps",
        "itl_p50_ms",
        "cached_tokens",
        "cache_reason",
        "finish_reason",
    )
    assert {name: row[name] for name in unmeasured} == dict.fromkeys(unmeasured)
    assert row["engine_config_id"]
    page = httpx.get(f"{embedding_served.base_url}/dashboard/requests/{identity}")
    assert page.status_code == 200
    assert "prefill" in page.text
    assert (
        metric(
            embedding_served,
            "gen_ai_server_request_duration_seconds_count",
            'gen_ai_operation_name="embeddings"',
        )
        > 0
    )
    assert row["unaccounted_ms"] <= max(2, row["total_ms"] * 0.02)


def test_inputs_share_batches(embedding_served: Served, client: openai.OpenAI) -> None:
    """Requests at the same time take fewer steps than they have inputs, and get what each gets alone."""
    alone = [item.embedding for item in client.embeddings.create(model="tiny", input=TEXTS).data]
    before = steps(embedding_served)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: client.embeddings.create(model="tiny", input=TEXTS * 20).data, range(8))
        )
    for answer in answers:
        assert np.allclose([item.embedding for item in answer], alone * 20, atol=1e-4)
    until(lambda: inputs(embedding_served) - before[1] >= 8 * 60, what="the samples of all steps")
    assert steps(embedding_served)[0] - before[0] < 8 * 60 / 3


def test_a_client_that_leaves_stops_its_request(embedding_served: Served, client: openai.OpenAI) -> None:
    """What is not computed yet never is, the row says who ended it, and the next request is answered."""
    identity, before = "embedding-left", inputs(embedding_served)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{embedding_served.base_url}/v1/embeddings",
            json={"model": "tiny", "input": ["the cat " * (CONTEXT // 2 - 2)] * MANY},
            headers={"x-request-id": identity},
            timeout=httpx.Timeout(30, read=0.3),
        )
    (row,) = until(
        lambda: [
            row for row in embedding_served.rows() if row["id"] == identity and row["status"] != "running"
        ],
        what="the row",
    )
    assert (row["status"], row["error_type"], row["http_status"]) == ("cancelled", "client_disconnect", 499)
    assert len(client.embeddings.create(model="tiny", input="rain falls").data) == 1
    until(lambda: inputs(embedding_served) > before, what="the samples of its steps")
    assert inputs(embedding_served) - before < MANY


def steps(served: Served) -> tuple[float, float]:
    """Steps of the embedding engine so far, and inputs in them."""
    return metric(served, "firsttoken_engine_batch_sequences_count"), inputs(served)


def inputs(served: Served) -> float:
    """Inputs in all steps."""
    return metric(served, "firsttoken_engine_batch_sequences_sum")


def metric(served: Served, name: str, label: str = "") -> float:
    """A series of the model `tiny`; 0 before its first value."""
    lines = httpx.get(f"{served.base_url}/metrics").text.splitlines()
    return sum(
        float(line.split(" # ")[0].split()[-1])
        for line in lines
        if line.startswith(name + "{") and '"tiny"' in line and label in line
    )
