"""Embeddings and scores of real llama.cpp contexts, against the library's own reference class."""

from __future__ import annotations

from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import numpy.typing as npt
import pytest

from gateway.engine.embedding.engine import EmbeddingEngine
from gateway.engine.engine import Engine
from gateway.engine.llama.load import load_llama
from gateway.engine.options import EngineOptions
from gateway.models.storage import DEMO_MODEL, resolve
from tests.engine.tiny_bert import CONTEXT, write_bert

TEXTS = ["the cat sat on the mat", "rain falls", "the sun shines", "a dog ran on the mat the sun is on"]


def load(path: Path, folder: Path, *, embeddings: str = "auto") -> Engine | EmbeddingEngine:
    """A model loaded in this process."""
    options = EngineOptions(
        model="m",
        path=str(path),
        digest_cache=str(folder / "d.json"),
        slots=4,
        n_ctx=256,
        threads=1,
        embeddings=embeddings,
    )
    return load_llama(options, lambda _message: None)


def embedder_of(path: Path, folder: Path, *, embeddings: str = "auto") -> EmbeddingEngine:
    """The same, as an embedding engine."""
    engine = load(path, folder, embeddings=embeddings)
    assert isinstance(engine, EmbeddingEngine)
    return engine


def vectors(engine: EmbeddingEngine, inputs: list[list[int]]) -> npt.NDArray[np.float32]:
    """One row per input, all computed in one batch."""
    return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in engine.embedder.embed(inputs)])


def reference(
    path: Path, inputs: list[list[int]], pooling: int, *, normalize: bool = True
) -> npt.NDArray[np.float64]:
    """What `Llama.embed` gives for each input alone."""
    model = llama_cpp.Llama(
        str(path),
        embedding=True,
        pooling_type=pooling,
        n_ctx=256,
        n_threads=1,
        flash_attn=True,
        verbose=False,
    )
    rows = []
    for tokens in inputs:
        model.tokenize = lambda *_args, _tokens=tokens, **_more: _tokens
        rows.append(model.embed("text", normalize=normalize))
    model.close()
    return np.array(rows)


@pytest.mark.parametrize("pooling", [gguf.PoolingType.MEAN, gguf.PoolingType.CLS, gguf.PoolingType.LAST])
def test_a_batch_gives_what_each_text_alone_gives(tmp_path: Path, pooling: gguf.PoolingType) -> None:
    """Inputs side by side in a batch do not see each other, whatever the pooling."""
    path = write_bert(tmp_path / "bert.gguf", pooling)
    engine = embedder_of(path, tmp_path)
    inputs = [engine.embedder.tokenize_input(text) for text in TEXTS]
    got = vectors(engine, inputs)
    assert np.allclose(got, reference(path, inputs, pooling), atol=1e-4)
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    assert not np.allclose(got[0], got[1], atol=1e-2)
    assert engine.config.n_ctx == CONTEXT


def test_tokens_have_the_models_special_tokens_around_them(tmp_path: Path) -> None:
    """BERT's [CLS] and [SEP]; names of special tokens in a text are text."""
    engine = embedder_of(write_bert(tmp_path / "bert.gguf"), tmp_path)
    tokens = engine.embedder.tokenize_input("the cat")
    assert (tokens[0], tokens[-1], len(tokens)) == (2, 3, 4)
    assert 3 not in engine.embedder.tokenize_input("the [SEP] cat")[1:-1]


def test_a_chat_model_embeds_when_it_is_told_to(tmp_path: Path) -> None:
    """The demo model with mean pooling, as the reference class does it."""
    path = resolve(DEMO_MODEL).path
    engine = embedder_of(path, tmp_path, embeddings="on")
    inputs = [engine.embedder.tokenize_input(text) for text in TEXTS]
    got, wanted = vectors(engine, inputs), reference(path, inputs, llama_cpp.LLAMA_POOLING_TYPE_MEAN)
    assert (got * wanted).sum(axis=1).min() > 0.999


def test_scores_are_the_classifiers(tmp_path: Path) -> None:
    """A reranker gives one number per pair of query and document."""
    path = write_bert(tmp_path / "rank.gguf", gguf.PoolingType.RANK)
    engine = embedder_of(path, tmp_path)
    inputs = [engine.embedder.tokenize_pair("the cat", text) for text in TEXTS]
    got = vectors(engine, inputs)
    assert engine.embedder.ranks
    assert got.shape == (len(TEXTS), 1)
    weights = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    first = reference(
        write_bert(tmp_path / "cls.gguf", gguf.PoolingType.CLS),
        inputs,
        llama_cpp.LLAMA_POOLING_TYPE_CLS,
        normalize=False,
    )
    hidden = np.tanh(first @ weights["cls.weight"].T + weights["cls.bias"])
    assert np.allclose(got, hidden @ weights["cls.output.weight"].T + weights["cls.output.bias"], atol=1e-3)
    assert len(set(got[:, 0].round(3))) == len(TEXTS)
