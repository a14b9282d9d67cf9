"""An engine's effective configuration in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dashboard.words import formats
from dashboard.words.facts import Fact
from telemetry.store.models import EngineConfigRow


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _named(value: object) -> str:
    return str(value) if value else "none"


def _model_own(value: object) -> str:
    return str(value) if value else "the model's own"


def _number(value: object) -> str:
    return formats.count(value) if isinstance(value, int | float) else formats.text(value)


def _parameters(value: object) -> str:
    return formats.short_count(value) if isinstance(value, int | float) else formats.text(value)


def _size(value: object) -> str:
    return formats.size_bytes(value) if isinstance(value, int | float) else formats.text(value)


_FIELDS: tuple[tuple[str, str, Callable[[object], str], str], ...] = (
    ("architecture", "architecture", formats.text, ""),
    ("parameters", "parameters", _parameters, ""),
    ("quantisation", "quantisation", formats.text, ""),
    ("model_size_bytes", "file size", _size, ""),
    ("n_ctx", "context per sequence", _number, "tokens"),
    ("n_ctx_train", "trained context", _number, "tokens"),
    ("slots", "slots", _number, "sequences decoded at once"),
    ("n_batch", "batch", _number, "most tokens in one decode call"),
    ("n_ubatch", "micro-batch", _number, "tokens computed at once"),
    ("threads", "threads, decode", _number, ""),
    ("threads_batch", "threads, prefill", _number, ""),
    ("gpu_layers", "GPU layers", _number, ""),
    ("flash_attention", "flash attention", formats.text, ""),
    ("kv_type_k", "KV type, keys", formats.text, ""),
    ("kv_type_v", "KV type, values", formats.text, ""),
    ("kv_unified", "unified KV", _yes, "one KV buffer for all sequences"),
    ("load_mode", "loading of weights", formats.text, ""),
    ("rope", "RoPE and YaRN", _model_own, ""),
    ("adapters", "LoRA adapters", _named, ""),
    ("draft_model", "draft model", _named, "guesses tokens that the model verifies"),
    ("llama_cpp_build", "llama.cpp", formats.text, ""),
    ("model_file", "model file", formats.text, ""),
    ("model_digest", "model digest", formats.text, ""),
    ("config_id", "configuration", formats.text, "fingerprint over all of these"),
)
"""Field of `telemetry.events.EngineConfig` → name, format, note; a test compares it with the dataclass."""


def configuration_facts(details: Mapping[str, object]) -> tuple[Fact, ...]:
    """Every known field, in a reader's order."""
    return tuple(Fact(name, form(details[key]), note) for key, name, form, note in _FIELDS if key in details)


def configuration_summary(row: EngineConfigRow) -> str:
    """The settings that tell configurations of one model apart, in one line."""
    return (
        f"{row.quantisation}, KV {row.kv_type_k}/{row.kv_type_v}, flash attention {row.flash_attention}, "
        f"{row.threads} threads, {row.slots} slots of {row.n_ctx:,} tokens, "
        f"batch {row.n_batch:,}/{row.n_ubatch:,}"
    )


def configuration_changes(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """The differences between two configurations, `name before → after`.

    '' where there are none, or one of the two is not known.
    """
    if not before or not after:
        return ""
    changed = []
    for key, name, form, _ in _FIELDS:
        old, new = before.get(key), after.get(key)
        if old != new and key != "config_id":
            changed.append(f"{name} {form(old)} → {form(new)}")
    return "; ".join(changed)
