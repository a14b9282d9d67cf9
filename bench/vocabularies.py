"""Vocabularies to constrain: the demo model's 49,152 tokens, and Mistral's Tekken with 131,072."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path
from typing import Any

DEMO, TEKKEN = "49k", "131k"
TEKKEN_PACKAGE = "mistral_common"
TEKKEN_FILE = "data/tekken_240911.json"


def tekken_file() -> Path | None:
    """Tekken's file in the package `mistral-common`, which need not be importable (`pip install
    --no-deps`).
    """
    spec = importlib.util.find_spec(TEKKEN_PACKAGE)
    folders = [] if spec is None else spec.submodule_search_locations or []
    return next((file for folder in folders if (file := Path(folder) / TEKKEN_FILE).is_file()), None)


def tokenizer(name: str) -> tuple[Any, Any]:
    """The tokenizer of a vocabulary, and what must be kept for as long as it is used."""
    return _demo() if name == DEMO else _tekken()


def _demo() -> tuple[Any, Any]:
    from gateway.engine.grammar.tokenizer import llama_tokenizer  # noqa: PLC0415 - native code
    from gateway.engine.llama.model import LlamaModel  # noqa: PLC0415
    from gateway.models.storage import DEMO_MODEL, resolve  # noqa: PLC0415

    model = LlamaModel(resolve(DEMO_MODEL).path, gpu_layers=0, progress=lambda _fraction: None)
    return llama_tokenizer(model.vocab, model.end_tokens), model


def _tekken() -> tuple[Any, Any]:
    """From its list of tokens; texts are split into the longest tokens, which is not quite how Tekken does
    it.
    """
    from llguidance import LLTokenizer, TokenizerWrapper  # noqa: PLC0415

    file = tekken_file()
    assert file is not None
    wrapped = _Tekken(json.loads(file.read_text(encoding="utf-8")))
    return LLTokenizer(TokenizerWrapper(wrapped)), wrapped


class _Tekken:
    """What llguidance asks of a tokenizer: special tokens first, then those of text by rank."""

    bos_token_id = 1
    eos_token_id = 2

    def __init__(self, file: dict[str, Any]) -> None:
        special = file["config"]["default_num_special_tokens"]
        words = file["vocab"][: file["config"]["default_vocab_size"] - special]
        self.special_token_ids = list(range(special))
        self.tokens = [f"<special_{number}>".encode() for number in range(special)]
        self.tokens += [base64.b64decode(word["token_bytes"]) for word in words]
        self._ids = {token: number for number, token in enumerate(self.tokens) if number >= special}
        self._longest = max(map(len, self._ids))

    def __call__(self, text: bytes | str) -> list[int]:
        data = text.encode() if isinstance(text, str) else text
        found: list[int] = []
        while data:
            sizes = range(min(self._longest, len(data)), 0, -1)
            size = next(size for size in sizes if data[:size] in self._ids)
            found.append(self._ids[data[:size]])
            data = data[size:]
        return found
