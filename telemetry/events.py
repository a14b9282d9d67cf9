"""The vocabulary: phases, outcomes, cache reasons, and what an engine reports about itself.

Names here are the ones that every surface uses (spans, metrics, SQL, pages). This module owns no state and
imports only the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

Scalar = str | int | float | bool


class Phase(StrEnum):
    """A part of a request's life; the value is the metric label and the last part of the span name."""

    ADMIT = "admit"
    MODEL_LOAD = "model_load"
    RENDER = "render"
    TOKENIZE = "tokenize"
    CACHE_LOOKUP = "cache_lookup"
    QUEUE = "queue"
    CACHE_RESTORE = "cache_restore"
    PREFILL = "prefill"
    DECODE = "decode"
    STREAM = "stream"


class Status(StrEnum):
    """How a request ended; `running` only until it has, `interrupted` when the gateway died first, or
    could not keep the record of its end.
    """

    RUNNING = "running"
    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class CacheSource(StrEnum):
    """The tier that a prompt's cached prefix came from."""

    KV = "kv"
    RAM = "ram"
    DISK = "disk"
    NONE = "none"


class CacheReason(StrEnum):
    """Why the prefix cache gave what it gave."""

    FULL_HIT = "full_hit"
    NEW_CONVERSATION = "new_conversation"
    APPENDED = "appended"
    SYSTEM_CHANGED = "system_changed"
    TOOLS_CHANGED = "tools_changed"
    HISTORY_EDITED = "history_edited"
    TEMPLATE_CHANGED = "template_changed"
    VOLATILE_PREFIX = "volatile_prefix"
    EVICTED = "evicted"
    ADAPTER_CHANGED = "adapter_changed"
    KV_TYPE_CHANGED = "kv_type_changed"
    DISABLED = "disabled"
    UNSUPPORTED = "unsupported"


class DelayCause(StrEnum):
    """What of another request one had to wait for."""

    SLOTS = "slots"
    """It held a slot."""
    KV = "kv"
    """It computed a prefix that both have."""
    PREFILL = "prefill"
    """Its prompt was computed in the same steps."""
    RESTORE = "restore"
    """Its state was read from the cache between two steps."""
    TURN = "turn"
    """It was computed alone: with another adapter, or while background requests wait."""
    MODEL_LOAD = "model_load"
    """No request: a model was loaded meanwhile."""
    CONTENTION = "contention"
    """No request: other programs used the cores."""


class EngineState(StrEnum):
    """The life of an engine process, as its supervisor sees it."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class CacheOutcome:
    """The result of one cache lookup.

    `divergence_token` and `divergence_message` are indexes into the prompt (tokens, messages) of the first
    difference from the nearest known prompt; None where there was nothing to compare with.
    """

    matched_tokens: int
    source: CacheSource
    reason: CacheReason
    divergence_token: int | None = None
    divergence_message: int | None = None


@dataclass(frozen=True, slots=True)
class PhaseTiming:
    """One phase of one request: monotonic nanoseconds, and the numbers that belong to it."""

    phase: Phase
    start_ns: int
    end_ns: int
    attributes: dict[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestDelay:
    """Time that a request lost to another: in all, how many times, and the longest with its start (monotonic
    nanoseconds).

    `seq` is the other request's; None where a model was loaded, which `model` names then.
    """

    cause: DelayCause
    seq: int | None
    total_ns: int
    times: int
    longest_ns: int
    longest_at_ns: int
    model: str | None = None


@dataclass(frozen=True, slots=True)
class PrefillChunk:
    """One engine step's share of a prompt: monotonic nanoseconds, tokens of this prompt, sequences in the
    batch.
    """

    start_ns: int
    end_ns: int
    tokens: int
    sequences: int


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What decides an engine's speed; `config_id` is the fingerprint over all other fields but `model`.

    `model` is the name that clients use; sizes are bytes; `threads` and `threads_batch` are CPU threads for
    decode and for prefill; `kv_unified` tells whether sequences share one KV buffer; `rope` are RoPE and YaRN
    parameters that differ from the model's own ("": none do); `adapters` are the LoRA adapters' names with
    the beginning of their digests; `draft_model` is the same of a draft model's file, and how long its drafts
    may be.
    """

    config_id: str
    model: str
    model_digest: str
    model_file: str
    model_size_bytes: int
    architecture: str
    parameters: int
    quantisation: str
    kv_type_k: str
    kv_type_v: str
    kv_unified: bool
    flash_attention: str
    threads: int
    threads_batch: int
    n_ctx: int
    n_ctx_train: int
    slots: int
    n_batch: int
    n_ubatch: int
    gpu_layers: int
    llama_cpp_build: str
    load_mode: str = "auto"
    rope: str = ""
    adapters: str = ""
    draft_model: str = ""


@dataclass(frozen=True, slots=True)
class StepSample:
    """One `llama_decode` call: its duration and what was in the batch. `decode_tokens` are those that it gave
    to answers, accepted guesses among them; `rejected_tokens` are guesses that were computed in vain.

    One step in some says more: when it began (monotonic ns) and the `seq` of each request in it. The recorder
    gives such a step a trace of its own.
    """

    duration_ns: int
    sequences: int
    prefill_tokens: int
    decode_tokens: int
    start_ns: int = 0
    requests: tuple[str, ...] = ()
    traceparent: str = ""
    rejected_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TierSample:
    """One tier of the prefix cache: entries, bytes (None where they belong to the KV) and tokens in it."""

    tier: CacheSource
    entries: int
    size_bytes: int | None
    tokens: int


@dataclass(frozen=True, slots=True)
class CacheSample:
    """The prefix cache: its tiers; tokens evicted by tier and files discarded by reason, since the engine
    started. `disk_off` says why there is no disk tier now though there is a budget for it ("" if there is).
    """

    tiers: tuple[TierSample, ...] = ()
    evicted_tokens: dict[str, int] = field(default_factory=dict)
    discarded: dict[str, int] = field(default_factory=dict)
    restore_failures: int = 0
    disk_off: str = ""


@dataclass(frozen=True, slots=True)
class ThreadSample:
    """Threads that an engine computes with, and what it gave up: `usual` are those that it was loaded with,
    `allowed` what the other engines of this gateway leave to it now. `contention` is the share of time (0..1)
    that they waited for a core; None before it was measured, and where it cannot be.
    """

    now: int
    usual: int
    allowed: int
    contention: float | None = None


@dataclass(frozen=True, slots=True)
class EngineSample:
    """What an engine reports about itself with each heartbeat.

    Slots are counted by state; `queue_oldest_age_s` is 0 with an empty queue; KV figures are tokens (cells);
    `steps` are those since the last sample; `memory_bytes` is the resident size of the process, `buffers`
    what the engine has allocated by part (weights, kv, compute; bytes), on all devices.
    """

    model: str
    slots_idle: int
    slots_prefill: int
    slots_decode: int
    queue_depth: int
    queue_oldest_age_s: float
    kv_used_tokens: int
    kv_limit_tokens: int
    memory_bytes: int | None
    steps: tuple[StepSample, ...] = ()
    cache: CacheSample | None = None
    buffers: dict[str, int] = field(default_factory=dict)
    threads: ThreadSample | None = None

    @property
    def parts(self) -> dict[str, int]:
        """Bytes by part, the RAM tier of the prefix cache among them; a part that was not measured is
        missing.
        """
        tiers = self.cache.tiers if self.cache is not None else ()
        ram = next((tier.size_bytes for tier in tiers if tier.tier is CacheSource.RAM), None)
        return self.buffers if ram is None else self.buffers | {"cache": ram}


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The supervisor's view of one engine, sent on each change of state.

    `reason` says in words why it is not ready; `load_ms` is None until a load was measured.
    `load_traceparent` names the trace of the load in progress, or of the last one; `threads_limit` says in
    words what decided the number of threads.
    """

    model: str
    state: EngineState
    reason: str = ""
    restarts: int = 0
    pid: int | None = None
    load_ms: float | None = None
    load_progress: float | None = None
    config: EngineConfig | None = None
    tuning: str = ""
    threads_limit: str = ""
    load_traceparent: str = ""
