"""What an engine process is started with: one JSON argument."""

from __future__ import annotations

import msgspec


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the `engine` settings. `model` is the name that clients use, `path` its file; 0 means "choose"."""

    model: str
    path: str
    digest_cache: str
    slots: int
    n_ctx: int = 0
    n_batch: int = 2048
    n_ubatch: int = 512
    threads: int = 0
    gpu_layers: int = -1
    max_stall_ms: float = 250.0
    kv_type_k: str = "f16"
    kv_type_v: str = "f16"
    kv_unified: bool = False
    flash_attention: bool = True
    speculative: str = "ngram"
    embeddings: str = "auto"
    cache_folder: str = ""
    cache_ram_bytes: int = 0
    cache_disk_bytes: int = 0
    template_timeout_s: float = 2.0
    heartbeat_s: float = 1.0

    def to_argument(self) -> str:
        """As a command-line argument."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_argument(cls, argument: str) -> EngineOptions:
        """From a command-line argument."""
        return msgspec.json.decode(argument, type=cls)
