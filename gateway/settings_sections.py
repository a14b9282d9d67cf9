"""The settings themselves, by section: type, bounds, default and description of each.

Every description below is also the documentation (`docs/settings.md` is written from it, and a test compares them).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from telemetry.context_buckets import DEFAULT_EDGES
from telemetry.energy.rapl import DEFAULT_PATH as RAPL_PATH

MOST_BODY_BYTES = 63 * 2**20
"""What surely fits into a message to an engine (64 MiB), which is never longer than the body it was made from by more than its
fixed fields.
"""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of settings."""


class ServerSettings(Section, frozen=True):
    """The HTTP server."""

    host: Annotated[str, Meta(description="Address to listen on. Anything but loopback is a decision: there is no TLS here.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8080
    max_body_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=MOST_BODY_BYTES,
            description="Largest request body, compressed or not; a larger one is answered 413. At most 63 MiB, which an engine can take at once.",
        ),
    ] = 8 * 2**20
    body_timeout_s: Annotated[
        float, Meta(gt=0, description="How long a request's body may take to arrive; then it is answered 408 `body_timeout`.")
    ] = 60.0
    max_bodies: Annotated[
        int, Meta(ge=1, description="Request bodies that may be arriving at the same time; one more is answered 429 `too_many_bodies`.")
    ] = 256
    max_bodies_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            description="What bodies that are arriving may hold together; above it the one that grows is answered 429 `too_many_bodies`.",
        ),
    ] = 256 * 2**20
    max_queue: Annotated[int, Meta(ge=0, description="Requests that may wait for a slot per model; one more is answered 429.")] = 64
    load_wait_s: Annotated[
        float, Meta(ge=0, description="How long a request waits for a model that is loading or restarting; then it is answered 503.")
    ] = 60.0
    request_timeout_s: Annotated[float, Meta(gt=0, description="Longest life of a request; then it is cancelled with `timeout`.")] = 600.0
    shutdown_s: Annotated[float, Meta(ge=0, description="How long running requests may finish after a stop signal.")] = 10.0
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Host names answered to besides loopback ones and the one in `host` (without port); `*` is any. Listening on 0.0.0.0 allows none."
        ),
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...], Meta(description="Origins that may change state from a browser, e.g. `https://chat.example`.")
    ] = ()


KV_TYPES = "^(f16|bf16|q8_0|q5_1|q5_0|q4_1|q4_0|iq4_nl)$"


class EngineSettings(Section, frozen=True):
    """Each model's engine process."""

    models: Annotated[
        tuple[str, ...],
        Meta(description="Models to serve: `smollm2-135m-instruct` (the demo) or paths of GGUF files. Empty: the demo model."),
    ] = ()
    adapters: Annotated[
        tuple[str, ...],
        Meta(description="LoRA adapters (GGUF): `name=path`, or `model:name=path` with several models; clients ask for `model:name`."),
    ] = ()
    slots: Annotated[int, Meta(ge=1, le=256, description="Sequences decoded at once.")] = 8
    n_ctx: Annotated[int, Meta(ge=0, description="Tokens per sequence; 0 is the model's trained context, bounded by memory.")] = 0
    n_batch: Annotated[int, Meta(ge=32, description="Most tokens in one `llama_decode`.")] = 2048
    n_ubatch: Annotated[int, Meta(ge=32, description="Tokens computed at once inside a batch.")] = 512
    load_mode: Annotated[
        str,
        Meta(
            pattern=r"^(auto|none|mmap|mlock|mmap\+mlock)$",
            description="How weights are loaded: `mmap` (pages come as needed), `mlock` (kept in RAM), both, `none` (read), `auto`.",
        ),
    ] = "auto"
    rope_scaling: Annotated[
        str,
        Meta(
            pattern="^(|none|linear|yarn|longrope)$",
            description="RoPE scaling for contexts beyond the trained one; empty is the model's own.",
        ),
    ] = ""
    rope_freq_base: Annotated[float, Meta(ge=0, description="RoPE base frequency; 0 is the model's own.")] = 0.0
    rope_freq_scale: Annotated[
        float, Meta(ge=0, description="RoPE frequency scale, e.g. 0.25 for four times the context; 0 is the model's own.")
    ] = 0.0
    yarn_orig_ctx: Annotated[int, Meta(ge=0, description="YaRN: the context that the model was trained with; 0 is the model's own.")] = 0
    yarn_ext_factor: Annotated[float, Meta(ge=-1, description="YaRN: mix of extrapolation; -1 is the model's own.")] = -1.0
    yarn_attn_factor: Annotated[float, Meta(ge=-1, description="YaRN: scale of attention; -1 is the model's own.")] = -1.0
    yarn_beta_fast: Annotated[float, Meta(ge=-1, description="YaRN: low correction dimension; -1 is the model's own.")] = -1.0
    yarn_beta_slow: Annotated[float, Meta(ge=-1, description="YaRN: high correction dimension; -1 is the model's own.")] = -1.0
    tune: Annotated[
        str,
        Meta(
            pattern="^(auto|off)$",
            description="`auto`: what is not set is measured at a model's first load here (some seconds) and remembered; `off`: built-in defaults.",
        ),
    ] = "auto"
    overrides: Annotated[
        tuple[str, ...],
        Meta(description="Settings of single models: `model:key=value`, e.g. `qwen3-8b:kv_type_k=q8_0`; keys are those of this section."),
    ] = ()
    threads: Annotated[int, Meta(ge=0, description="CPU threads for tokens of answers; 0 is chosen by measurement, else one per core.")] = 0
    threads_batch: Annotated[int, Meta(ge=0, description="CPU threads for prompts; 0 is chosen by measurement, else as `threads`.")] = 0
    gpu_layers: Annotated[int, Meta(ge=-1, description="Layers put on a GPU; -1 is all (used only by a GPU build of llama.cpp).")] = -1
    max_stall_ms: Annotated[
        float, Meta(gt=0, description="Longest step while sequences decode: bounds how much of a prompt is computed beside them.")
    ] = 250.0
    cache_ram_bytes: Annotated[int, Meta(ge=0, description="Memory of each engine for cached prefixes; 0 turns the prefix cache off.")] = (
        1024**3
    )
    cache_disk_bytes: Annotated[
        int, Meta(ge=0, description="Disk of each model for cached prefixes, which survive a restart; 0 keeps them in memory only.")
    ] = 4 * 1024**3
    kv_type_k: Annotated[
        str, Meta(pattern=KV_TYPES, description="Type of keys in the KV cache: f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl.")
    ] = "f16"
    kv_type_v: Annotated[str, Meta(pattern=KV_TYPES, description="Type of values; a quantised one needs flash attention.")] = "f16"
    kv_unified: Annotated[
        bool | None,
        Meta(
            description="One KV buffer for all sequences instead of one each: shares prefixes for nothing, but idle tokens slow decoding. "
            "Unset: by measurement, else false."
        ),
    ] = None
    flash_attention: Annotated[
        bool | None,
        Meta(
            description="Flash attention; off, each sequence slows the others, and values cannot be quantised. Unset: by measurement, else true."
        ),
    ] = None
    speculative: Annotated[
        str,
        Meta(
            pattern="^(off|ngram)$",
            description="Speculative decoding: `ngram` drafts what followed the same tokens before, and lets a draft model (`engine.draft_model`) "
            "draft where nothing did, per request and only while it pays; `off`: neither.",
        ),
    ] = "ngram"
    draft_model: Annotated[
        str,
        Meta(
            description="A small model of the same vocabulary that guesses tokens for the model to verify: the demo model's name or the path of a "
            "GGUF file; empty: none. Answers stay the same; it is used only while it pays."
        ),
    ] = ""
    draft_max_tokens: Annotated[
        int, Meta(ge=1, le=32, description="Most tokens that a draft model guesses per step; how many is decided by what pays.")
    ] = 8
    embeddings: Annotated[
        str,
        Meta(
            pattern="^(auto|on|off)$",
            description="Which models are served for embeddings or reranking instead of chat: `auto` those whose file says how to pool, `on` all, `off` none.",
        ),
    ] = "auto"
    heartbeat_timeout_s: Annotated[float, Meta(gt=0, description="An engine silent for longer is killed and started again.")] = 10.0
    step_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="A step that takes longer is given up, and its longest prompt refused; an engine that does not react to that for "
            "`heartbeat_timeout_s` is killed and started again.",
        ),
    ] = 120.0
    load_timeout_s: Annotated[float, Meta(gt=0, description="Longest time that loading a model may take.")] = 600.0
    max_restarts: Annotated[int, Meta(ge=0, description="Failures in a row after which an engine is given up (state `failed`).")] = 5
    template_timeout_s: Annotated[
        float, Meta(gt=0, description="Longest rendering of a model's chat template, which is untrusted code.")
    ] = 2.0


class TelemetrySettings(Section, frozen=True):
    """Measurement. OTLP itself is configured by the standard `OTEL_*` variables."""

    enabled: Annotated[
        bool, Meta(description="Off: no spans, metrics or rows, only the live view. For measuring what telemetry costs.")
    ] = True
    context_buckets: Annotated[tuple[int, ...], Meta(description="Upper edges, in prompt tokens, of the context-size buckets.")] = (
        DEFAULT_EDGES
    )
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="Least severe log line written: debug, info, warning or error.")
    ] = "info"
    baggage: Annotated[
        tuple[str, ...],
        Meta(
            description="Members of W3C baggage (header `baggage`) that are kept, as attributes of the request's span; empty: all of it is ignored."
        ),
    ] = ()
    energy_sources: Annotated[
        tuple[Literal["rapl", "nvml"], ...],
        Meta(
            description="Where energy is read from, as far as it is there: `rapl` (CPU packages), `nvml` (NVIDIA GPUs); empty: not at all."
        ),
    ] = ("rapl", "nvml")
    rapl_path: Annotated[str, Meta(min_length=1, description="Folder that holds the RAPL domains (`intel-rapl:N`).")] = RAPL_PATH


class StoreSettings(Section, frozen=True):
    """The database of requests and statistics."""

    url: Annotated[str, Meta(description="SQLAlchemy URL; empty is `sqlite+aiosqlite:///$FIRSTTOKEN_HOME/firsttoken.db`.")] = ""
    queue_size: Annotated[int, Meta(ge=100, description="Most events waiting to be written; more are dropped and counted.")] = 20_000
    retention_days: Annotated[float, Meta(ge=0, description="Days that requests are kept; 0 is for ever.")] = 90.0
    rollup_retention_days: Annotated[
        float, Meta(ge=0, description="Days that statistics (roll-ups per minute) are kept; 0 is for ever.")
    ] = 730.0
    max_bytes: Annotated[
        int, Meta(ge=0, description="Size of the database from which the oldest requests go (SQLite only); 0 is no limit.")
    ] = 2 * 1024**3
    shutdown_s: Annotated[float, Meta(gt=0, description="Longest time to write what is waiting at shutdown.")] = 5.0


class SloSettings(Section, frozen=True):
    """Objectives: what share of requests must be how good. The bundled alert rules have their own (`grafana/sources/objectives.py`)."""

    availability: Annotated[
        float, Meta(gt=0, lt=1, description="Share of requests answered, of those that the client neither got wrong nor left.")
    ] = 0.99
    ttft_ms: Annotated[float, Meta(gt=0, description="Time to first token that is good enough.")] = 2500.0
    ttft_share: Annotated[float, Meta(gt=0, lt=1, description="Share of first tokens that must come within `ttft_ms`.")] = 0.95
    inter_token_ms: Annotated[float, Meta(gt=0, description="Time between two tokens of an answer that is good enough.")] = 250.0
    inter_token_share: Annotated[
        float, Meta(gt=0, lt=1, description="Share of gaps between tokens that must be within `inter_token_ms`.")
    ] = 0.99
    window_days: Annotated[float, Meta(gt=0, le=365, description="Days that a budget is for.")] = 30.0
    check_every_s: Annotated[float, Meta(ge=0.5, description="How often burn rates are computed; budgets every 20th time.")] = 30.0
    webhook_url: Annotated[
        str, Meta(pattern="^(|https?://.+)$", description="Where a change of state is posted as JSON; empty is nowhere.")
    ] = ""


Price = Annotated[float, Meta(ge=0)]


class CostSettings(Section, frozen=True):
    """Prices, all in one currency. What has none is free; where nothing has one, no cost is shown."""

    currency: Annotated[str, Meta(max_length=8, description="Shown behind amounts, e.g. `EUR`; nothing is converted.")] = ""
    price_per_kwh: Annotated[
        Price | None, Meta(description="Price of a kilowatt-hour; with it, a request whose energy was not measured has no cost.")
    ] = None
    price_per_input_token: Annotated[Price | None, Meta(description="Price of a prompt token.")] = None
    price_per_cached_input_token: Annotated[
        Price | None, Meta(description="Price of a prompt token that the prefix cache supplied; unset: as other prompt tokens.")
    ] = None
    price_per_output_token: Annotated[Price | None, Meta(description="Price of a sampled token.")] = None


class CaptureSettings(Section, frozen=True):
    """What of the content of chats is kept: beside the figures, redacted and compressed, with a retention of its own."""

    content: Annotated[
        bool, Meta(description="Keep prompts and answers of chats, redacted, in the database; they are shown on the request's page.")
    ] = False
    retention_days: Annotated[float, Meta(ge=0, description="Days that content is kept; 0 is as long as its request.")] = 7.0
    max_bytes: Annotated[int, Meta(ge=0, description="Compressed content from which the oldest goes; 0 is no limit.")] = 1024**3
    max_text_chars: Annotated[
        int,
        Meta(
            ge=100, le=10 * 2**20, description="Most characters kept of each message and of the answer; the rest is left out and counted."
        ),
    ] = 65_536
    redact_patterns: Annotated[
        tuple[str, ...],
        Meta(
            description="Regular expressions of what is taken out besides API keys, tokens, passwords, private keys and e-mail addresses. "
            "One with a comma in it belongs into the settings file."
        ),
    ] = ()
