"""llguidance's view of a loaded vocabulary."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from llguidance import LLTokenizer


def llama_tokenizer(vocabulary: int, end_tokens: Sequence[int]) -> LLTokenizer:
    """The tokenizer of a vocabulary that llama.cpp has loaded: `vocabulary` is the address of its
    `llama_vocab`, which must stay loaded for as long as anything made from the tokenizer is used; any of
    `end_tokens` (at least one) may end an answer. Takes a quarter of a second for 49,000 tokens: once per
    model.
    """
    from llguidance.llamacpp import lltokenizer_from_vocab  # noqa: PLC0415 - imports llama_cpp

    with warnings.catch_warnings():  # llguidance asks by an old name
        warnings.filterwarnings("ignore", "llama_token_get_attr", DeprecationWarning)
        return lltokenizer_from_vocab(vocabulary, eos_token=list(end_tokens))
