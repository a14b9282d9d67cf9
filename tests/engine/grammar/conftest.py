"""Vocabularies to compile for: one of bytes, which costs nothing, and the demo model's."""

from __future__ import annotations

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
def demo_model() -> LlamaModel:
    """Loaded for its vocabulary, which must outlive what is made of it."""
    return LlamaModel(resolve(DEMO_MODEL).path, gpu_layers=0, progress=lambda _fraction: None)


@pytest.fixture(scope="session")
def demo_tokenizer(demo_model: LlamaModel) -> LLTokenizer:
    """The demo model's 49,152 tokens."""
    return llama_tokenizer(demo_model.vocab, demo_model.end_tokens)


@pytest.fixture
def compiler(byte_tokenizer: LLTokenizer) -> GrammarCompiler:
    """For bytes, with nothing kept."""
    return GrammarCompiler(byte_tokenizer)


@pytest.fixture(scope="session")
def demo_compiler(demo_tokenizer: LLTokenizer) -> GrammarCompiler:
    """For the demo model."""
    return GrammarCompiler(demo_tokenizer)
