"""A copy of a GGUF model with fewer layers (fast, and mostly wrong), or with idle ones behind them (slow,
and exactly as right).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gguf
import numpy as np

_OUTPUTS = ("attn_output.weight", "ffn_down.weight")
"""What a layer adds to its input goes through these; zeros make it add nothing."""

_LAYER = re.compile(r"blk\.(\d+)\.(.+)")


def write_layers(path: Path, source: Path, kept: int, idle: int = 0) -> Path:
    """Write the first `kept` layers of a model, and `idle` layers that cost what a layer costs and change
    nothing.
    """
    reader = gguf.GGUFReader(source)
    architecture = str(reader.fields["general.architecture"].contents())
    writer = gguf.GGUFWriter(path, architecture)
    _copy_fields(reader, writer, f"{architecture}.block_count", kept + idle)
    tensors = _tensors(reader, kept, idle)
    for name, tensor, data in tensors:
        writer.add_tensor_info(name, data.shape, data.dtype, data.nbytes, tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, _, data in tensors:
        writer.write_tensor_data(data)
    writer.close()
    return path


def _copy_fields(reader: gguf.GGUFReader, writer: gguf.GGUFWriter, count_key: str, count: int) -> None:
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue
        kind = field.types[0]
        element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(
            field.name, count if field.name == count_key else field.contents(), kind, sub_type=element
        )


def _tensors(reader: gguf.GGUFReader, kept: int, idle: int) -> list[tuple[str, Any, Any]]:
    """Name, original and data of each tensor; an idle layer is the first one with zeros for outputs (zero
    bytes are zeros in every type).
    """
    found = [
        (tensor.name, tensor, tensor.data)
        for tensor in reader.tensors
        if not (layer := _layer(tensor.name)) or int(layer[1]) < kept
    ]
    for tensor in reader.tensors:
        layer = _layer(tensor.name)
        if layer and layer[1] == "0":
            data = np.zeros_like(tensor.data) if layer[2] in _OUTPUTS else tensor.data
            found += [(f"blk.{kept + number}.{layer[2]}", tensor, data) for number in range(idle)]
    return found


def _layer(name: str) -> re.Match[str] | None:
    return _LAYER.fullmatch(name)
