"""What clients are told of a model's vocabulary."""

from __future__ import annotations

import msgspec


class VocabInfo(msgspec.Struct, frozen=True):
    """A model's vocabulary: llama.cpp's number of its type, how many tokens it has, and the width of an
    embedding.
    """

    type: int
    n_tokens: int
    n_embd: int
