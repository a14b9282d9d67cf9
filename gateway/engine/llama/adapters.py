"""LoRA adapters through llama.cpp: loaded with the model, one at a time in use."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import llama_cpp.llama_cpp as llama

from gateway.engine.backend import BackendError
from gateway.engine.llama.model import LlamaModel, ModelError


class LlamaAdapters:
    """The adapters of one model by name, for one context."""

    def __init__(self, model: LlamaModel, paths: Mapping[str, str]) -> None:
        self._loaded = {name: _load(model, name, path) for name, path in paths.items()}
        self._used = ""

    def use(self, context: Any, name: str) -> None:
        """Compute what follows with this adapter; "" is the bare model.

        Raises:
            BackendError: llama.cpp refuses.
        """
        if name == self._used:
            return
        handles = [self._loaded[name]] if name else []
        adapters = (llama.llama_adapter_lora_p_ctypes * len(handles))(*handles)
        scales = (ctypes.c_float * len(handles))(*(1.0 for _ in handles))
        if llama.llama_set_adapters_lora(context, adapters, len(handles), scales) != 0:
            raise BackendError(f"llama.cpp cannot use the adapter {name!r}")
        self._used = name


def _load(model: LlamaModel, name: str, path: str) -> Any:
    """Freed with the model.

    Raises:
        ModelError: the file is no adapter, or one for another model.
    """
    handle = llama.llama_adapter_lora_init(model.handle, path.encode())
    if not handle:
        raise ModelError(
            f"llama.cpp cannot load the adapter {name!r} from {path}: is it a LoRA adapter (GGUF) for this"
            " model? The log has details."
        )
    return handle
