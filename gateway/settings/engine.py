"""The settings of the section `engine`. See `gateway.settings.sections`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of settings."""


KV_TYPES = "^(f16|bf16|q8_0|q5_1|q5_0|q4_1|q4_0|iq4_nl)$"


class EngineSettings(Section, frozen=True):
    """Each model's engine process."""

    models: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "Models to serve: `smollm2-135m-instruct` (the demo) or paths of GGUF files. Empty: the demo"
                " model."
            )
        ),
    ] = ()
    adapters: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "LoRA adapters (GGUF): `name=path`, or `model:name=path` with several models; clients ask for"
                " `model:name`."
            )
        ),
    ] = ()
    slots: Annotated[int, Meta(ge=1, le=256, description="Sequences decoded at once.")] = 8
    n_ctx: Annotated[
        int,
        Meta(ge=0, description="Tokens per sequence; 0 is the model's trained context, bounded by memory."),
    ] = 0
    n_batch: Annotated[int, Meta(ge=32, description="Most tokens in one `llama_decode`.")] = 2048
    n_ubatch: Annotated[int, Meta(ge=32, description="Tokens computed at once inside a batch.")] = 512
    load_mode: Annotated[
        str,
        Meta(
            pattern=r"^(auto|none|mmap|mlock|mmap\+mlock)$",
            description=(
                "How weights are loaded: `mmap` (pages come as needed), `mlock` (kept in RAM), both, `none`"
                " (read), `auto`."
            ),
        ),
    ] = "auto"
    rope_scaling: Annotated[
        str,
        Meta(
            pattern="^(|none|linear|yarn|longrope)$",
            description="RoPE scaling for contexts beyond the trained one; empty is the model's own.",
        ),
    ] = ""
    rope_freq_base: Annotated[float, Meta(ge=0, description="RoPE base frequency; 0 is the model's own.")] = (
        0.0
    )
    rope_freq_scale: Annotated[
        float,
        Meta(
            ge=0,
            description="RoPE frequency scale, e.g. 0.25 for four times the context; 0 is the model's own.",
        ),
    ] = 0.0
    yarn_orig_ctx: Annotated[
        int,
        Meta(ge=0, description="YaRN: the context that the model was trained with; 0 is the model's own."),
    ] = 0
    yarn_ext_factor: Annotated[
        float, Meta(ge=-1, description="YaRN: mix of extrapolation; -1 is the model's own.")
    ] = -1.0
    yarn_attn_factor: Annotated[
        float, Meta(ge=-1, description="YaRN: scale of attention; -1 is the model's own.")
    ] = -1.0
    yarn_beta_fast: Annotated[
        float, Meta(ge=-1, description="YaRN: low correction dimension; -1 is the model's own.")
    ] = -1.0
    yarn_beta_slow: Annotated[
        float, Meta(ge=-1, description="YaRN: high correction dimension; -1 is the model's own.")
    ] = -1.0
    tune: Annotated[
        str,
        Meta(
            pattern="^(auto|off)$",
            description=(
                "`auto`: what is not set is measured at a model's first load here (some seconds) and"
                " remembered; `off`: built-in defaults."
            ),
        ),
    ] = "auto"
    overrides: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "Settings of single models: `model:key=value`, e.g. `qwen3-8b:kv_type_k=q8_0`; keys are those"
                " of this section."
            )
        ),
    ] = ()
    threads: Annotated[
        int,
        Meta(
            ge=0,
            description=(
                "CPU threads for tokens of answers; 0 is chosen by measurement, else one per core that the"
                " process may use (affinity, cgroup quota)."
            ),
        ),
    ] = 0
    threads_batch: Annotated[
        int, Meta(ge=0, description="CPU threads for prompts; 0 is chosen by measurement, else as `threads`.")
    ] = 0
    threads_adaptive: Annotated[
        bool,
        Meta(
            description=(
                "Compute with fewer threads while other programs take the cores, and with all of them again"
                " afterwards."
            )
        ),
    ] = True
    gpu_layers: Annotated[
        int,
        Meta(ge=-1, description="Layers put on a GPU; -1 is all (used only by a GPU build of llama.cpp)."),
    ] = -1
    max_stall_ms: Annotated[
        float,
        Meta(
            gt=0,
            description=(
                "Longest step while sequences decode: bounds how much of a prompt is computed beside them."
            ),
        ),
    ] = 250.0
    cache_ram_bytes: Annotated[
        int,
        Meta(ge=0, description="Memory of each engine for cached prefixes; 0 turns the prefix cache off."),
    ] = 1024**3
    cache_disk_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description=(
                "Disk for the cached prefixes of all models together, which survive a restart; those that no"
                " engine uses and that were unused for longest go first. 0 keeps prefixes in memory only."
            ),
        ),
    ] = 4 * 1024**3
    kv_type_k: Annotated[
        str,
        Meta(
            pattern=KV_TYPES,
            description="Type of keys in the KV cache: f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl.",
        ),
    ] = "f16"
    kv_type_v: Annotated[
        str, Meta(pattern=KV_TYPES, description="Type of values; a quantised one needs flash attention.")
    ] = "f16"
    kv_unified: Annotated[
        bool | None,
        Meta(
            description=(
                "One KV buffer for all sequences instead of one each: shares prefixes for nothing, but idle"
                " tokens slow decoding. Unset: by measurement, else false."
            )
        ),
    ] = None
    flash_attention: Annotated[
        bool | None,
        Meta(
            description=(
                "Flash attention; off, each sequence slows the others, and values cannot be quantised. Unset:"
                " by measurement, else true."
            )
        ),
    ] = None
    speculative: Annotated[
        str,
        Meta(
            pattern="^(off|ngram)$",
            description=(
                "Speculative decoding: `ngram` drafts what followed the same tokens before, and lets a draft"
                " model (`engine.draft_model`) draft where nothing did, per request and only while it pays;"
                " `off`: neither. Guesses are verified several at once, which llama.cpp may compute by"
                " another kernel than one token: in a long prompt (on a CPU: beyond 256 tokens, with f16 KV)"
                " a token that is nearly as likely as another may then change places with it. `off` where"
                " answers must repeat to the letter."
            ),
        ),
    ] = "ngram"
    draft_model: Annotated[
        str,
        Meta(
            description=(
                "A small model of the same vocabulary that guesses tokens for the model to verify: the demo"
                " model's name or the path of a GGUF file; empty: none. It decides no token (but see"
                " `speculative`); it is used only while it pays."
            )
        ),
    ] = ""
    draft_max_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=32,
            description="Most tokens that a draft model guesses per step; how many is decided by what pays.",
        ),
    ] = 8
    embeddings: Annotated[
        str,
        Meta(
            pattern="^(auto|on|off)$",
            description=(
                "Which models are served for embeddings or reranking instead of chat: `auto` those whose file"
                " says how to pool, `on` all, `off` none."
            ),
        ),
    ] = "auto"
    heartbeat_timeout_s: Annotated[
        float, Meta(gt=0, description="An engine silent for longer is killed and started again.")
    ] = 10.0
    step_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description=(
                "A step that takes longer is given up, and its longest prompt refused; an engine that does"
                " not react to that for `heartbeat_timeout_s` is killed and started again."
            ),
        ),
    ] = 120.0
    load_timeout_s: Annotated[
        float, Meta(gt=0, description="Longest time that loading a model may take.")
    ] = 600.0
    max_restarts: Annotated[
        int, Meta(ge=0, description="Failures in a row after which an engine is given up (state `failed`).")
    ] = 5
    template_timeout_s: Annotated[
        float,
        Meta(gt=0, description="Longest rendering of a model's chat template, which is untrusted code."),
    ] = 2.0
    allow_control_tokens: Annotated[
        bool,
        Meta(
            description=(
                "The text of a control token (`<|im_end|>` and its like) in a message is that token, as in"
                " other servers: whoever writes a message can then end it and begin another in anybody's"
                " name. Off: text is text."
            )
        ),
    ] = False
