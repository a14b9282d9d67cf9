"""Writes real GGUF files of the BERT architecture with random weights: an embedding model, and a reranker."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *(
        f"\u2581{word}"
        for word in [
            "the",
            "cat",
            "dog",
            "sat",
            "ran",
            "on",
            "a",
            "mat",
            "sun",
            "rain",
            "falls",
            "shines",
            "is",
        ]
    ),
]
WIDTH, INNER, LAYERS, CONTEXT = 32, 64, 2, 64


def write_bert(path: Path, pooling: gguf.PoolingType = gguf.PoolingType.MEAN) -> Path:
    """The same file each time; with `pooling` RANK it has a classification head."""
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(str(path), "bert")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(pooling)
    writer.add_file_type(0)
    _vocabulary(writer)
    for name, shape in _shapes(rank=pooling is gguf.PoolingType.RANK).items():
        offset = 1.0 if name.endswith("norm.weight") else 0.0
        writer.add_tensor(name, (offset + random.normal(0, 0.3, shape)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _vocabulary(writer: gguf.GGUFWriter) -> None:
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(WORDS)
    writer.add_token_types([gguf.TokenType.CONTROL] * 4 + [gguf.TokenType.NORMAL] * (len(WORDS) - 4))
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_sep_token_id(3)


def _shapes(*, rank: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(WORDS), WIDTH),
        "position_embd.weight": (CONTEXT, WIDTH),
        "token_types.weight": (2, WIDTH),
        **_linear("token_embd_norm", (WIDTH,)),
    }
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes |= _linear(f"blk.{layer}.{name}", (WIDTH, WIDTH))
        shapes |= _linear(f"blk.{layer}.attn_output_norm", (WIDTH,)) | _linear(
            f"blk.{layer}.layer_output_norm", (WIDTH,)
        )
        shapes |= _linear(f"blk.{layer}.ffn_up", (INNER, WIDTH)) | _linear(
            f"blk.{layer}.ffn_down", (WIDTH, INNER)
        )
    if rank:
        shapes |= _linear("cls", (WIDTH, WIDTH)) | _linear("cls.output", (1, WIDTH))
    return shapes


def _linear(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
