"""A real LoRA adapter for the demo model: small random matrices, made with the `gguf` package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gguf
import numpy as np

RANK = 8


@cache
def read(model: Path) -> gguf.GGUFReader:
    """A model's file; reading all words of its vocabulary takes seconds."""
    return gguf.GGUFReader(model)


def write_adapter(
    path: Path, model: Path, *, seed: int = 7, strength: float = 0.02, architecture: str = ""
) -> Path:
    """Write an adapter of the attention's query projections that changes what the model says; `seed` makes
    another one.
    """
    reader = read(model)
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture or str(reader.fields["general.architecture"].contents()))
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(RANK))
    for tensor in reader.tensors:
        if tensor.name.endswith("attn_q.weight"):
            n_in, n_out = (int(size) for size in tensor.shape)
            writer.add_tensor(
                f"{tensor.name}.lora_a", rng.normal(0, strength, (RANK, n_in)).astype(np.float32)
            )
            writer.add_tensor(f"{tensor.name}.lora_b", rng.normal(0, 1, (n_out, RANK)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
