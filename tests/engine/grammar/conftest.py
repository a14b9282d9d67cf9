"""Vocabularies to compile for: one of bytes, which costs nothing, and the demo model's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llguidance import LLTokenizer

from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.tokenizer import llama_tokenizer
from gateway.engine.llama.model import LlamaModel
from gateway.models.storage import DEMO_MODEL, resolve


@pytest.fixture(scope="session")
def byte_tokenizer() -> LLTokenizer:
    """Every byte is a token, and a few special ones are."""
    return LLTokenizer("byte")


@pytest.fixture(scope="session")
def demo_tokenizer() -> Iterator[LLTokenizer]:
    """The demo model's 49,152 tokens."""
    model = LlamaModel(resolve(DEMO_MODEL).path, gpu_layers=0, progress=lambda _fraction: None)
    yield llama_tokenizer(model.vocab, model.end_tokens)
    assert model.n_vocab  # the vocabulary must outlive what was made of it


@pytest.fixture
def compiler(byte_tokenizer: LLTokenizer) -> GrammarCompiler:
    """For bytes, with nothing kept."""
    return GrammarCompiler(byte_tokenizer)


@pytest.fixture(scope="session")
def demo_compiler(demo_tokenizer: LLTokenizer) -> GrammarCompiler:
    """For the demo model."""
    return GrammarCompiler(demo_tokenizer)
