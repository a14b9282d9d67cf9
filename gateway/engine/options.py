"""The options that an engine process is started with: one JSON argument."""

from __future__ import annotations

import msgspec


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the `engine` settings. `model` is the name that clients use, `path` its file; 0 and None mean
    "choose"; `adapters` are the files of its LoRA adapters by name; `draft_model` is the file of its draft
    model ("": none).
    """

    model: str
    path: str
    digest_cache: str
    slots: int
    n_ctx: int = 0
    n_batch: int = 2048
    n_ubatch: int = 512
    threads: int = 0
    threads_batch: int = 0
    threads_adaptive: bool = True
    load_mode: str = "auto"
    rope_scaling: str = ""
    rope_freq_base: float = 0.0
    rope_freq_scale: float = 0.0
    yarn_orig_ctx: int = 0
    yarn_ext_factor: float = -1.0
    yarn_attn_factor: float = -1.0
    yarn_beta_fast: float = -1.0
    yarn_beta_slow: float = -1.0
    gpu_layers: int = -1
    max_stall_ms: float = 250.0
    kv_type_k: str = "f16"
    kv_type_v: str = "f16"
    kv_unified: bool | None = None
    flash_attention: bool | None = None
    tune: str = "off"
    tuning_folder: str = ""
    speculative: str = "ngram"
    draft_model: str = ""
    draft_max_tokens: int = 8
    adapters: dict[str, str] = {}
    embeddings: str = "auto"
    cache_folder: str = ""
    cache_ram_bytes: int = 0
    cache_disk_bytes: int = 0
    template_timeout_s: float = 2.0
    allow_control_tokens: bool = False
    step_timeout_s: float = 120.0
    heartbeat_s: float = 1.0

    def to_argument(self) -> str:
        """As a command-line argument."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_argument(cls, argument: str) -> EngineOptions:
        """From a command-line argument."""
        return msgspec.json.decode(argument, type=cls)
