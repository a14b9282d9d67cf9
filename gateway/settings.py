"""Settings: built-in < `firsttoken.toml` < `FIRSTTOKEN_*` environment < flags.

One naming scheme: `section.key` is `FIRSTTOKEN_SECTION_KEY` and `--section-key`. Unknown keys are errors. The
environment is passed in; nothing is read at import. Every description below is also the documentation
(`docs/settings.md` is written from it, and a test compares them).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
import platformdirs
from msgspec import Meta

from telemetry.context_buckets import DEFAULT_EDGES, ContextBuckets


class SettingsError(ValueError):
    """A setting that is unknown or has a wrong value; the message names it and says where it came from."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of settings."""


class ServerSettings(_Section, frozen=True):
    """The HTTP server."""

    host: Annotated[str, Meta(description="Address to listen on. Anything but loopback is a decision: there is no TLS here.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8080
    max_body_bytes: Annotated[int, Meta(ge=1024, description="Largest request body; a larger one is answered 413.")] = 8 * 2**20
    max_queue: Annotated[int, Meta(ge=0, description="Requests that may wait for a slot per model; one more is answered 429.")] = 64
    load_wait_s: Annotated[
        float, Meta(ge=0, description="How long a request waits for a model that is loading or restarting; then it is answered 503.")
    ] = 60.0
    request_timeout_s: Annotated[float, Meta(gt=0, description="Longest life of a request; then it is cancelled with `timeout`.")] = 600.0
    shutdown_s: Annotated[float, Meta(ge=0, description="How long running requests may finish after a stop signal.")] = 10.0
    allowed_hosts: Annotated[
        tuple[str, ...], Meta(description="Host names answered to besides loopback ones (without port); `*` is any.")
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...], Meta(description="Origins that may change state from a browser, e.g. `https://chat.example`.")
    ] = ()


KV_TYPES = "^(f16|bf16|q8_0|q5_1|q5_0|q4_1|q4_0|iq4_nl)$"


class EngineSettings(_Section, frozen=True):
    """Each model's engine process."""

    models: Annotated[
        tuple[str, ...],
        Meta(description="Models to serve: `smollm2-135m-instruct` (the demo) or paths of GGUF files. Empty: the demo model."),
    ] = ()
    slots: Annotated[int, Meta(ge=1, le=256, description="Sequences decoded at once.")] = 8
    n_ctx: Annotated[int, Meta(ge=0, description="Tokens per sequence; 0 is the model's trained context, bounded by memory.")] = 0
    n_batch: Annotated[int, Meta(ge=32, description="Most tokens in one `llama_decode`.")] = 2048
    n_ubatch: Annotated[int, Meta(ge=32, description="Tokens computed at once inside a batch.")] = 512
    threads: Annotated[int, Meta(ge=0, description="CPU threads; 0 is the number of physical cores.")] = 0
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
        bool,
        Meta(
            description="One KV buffer for all sequences instead of one each: shares prefixes for nothing, but idle tokens slow decoding."
        ),
    ] = False
    flash_attention: Annotated[
        bool, Meta(description="Flash attention; off, each sequence slows the others, and values cannot be quantised.")
    ] = True
    speculative: Annotated[
        str,
        Meta(
            pattern="^(off|ngram)$",
            description="Speculative decoding: `ngram` drafts what followed the same tokens before, per request and only while it pays; `off`.",
        ),
    ] = "ngram"
    embeddings: Annotated[
        str,
        Meta(
            pattern="^(auto|on|off)$",
            description="Which models are served for embeddings or reranking instead of chat: `auto` those whose file says how to pool, `on` all, `off` none.",
        ),
    ] = "auto"
    heartbeat_timeout_s: Annotated[float, Meta(gt=0, description="An engine silent for longer is killed and started again.")] = 10.0
    step_timeout_s: Annotated[float, Meta(gt=0, description="An engine whose single step takes longer is killed and started again.")] = (
        120.0
    )
    load_timeout_s: Annotated[float, Meta(gt=0, description="Longest time that loading a model may take.")] = 600.0
    max_restarts: Annotated[int, Meta(ge=0, description="Failures in a row after which an engine is given up (state `failed`).")] = 5
    template_timeout_s: Annotated[
        float, Meta(gt=0, description="Longest rendering of a model's chat template, which is untrusted code.")
    ] = 2.0


class TelemetrySettings(_Section, frozen=True):
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


class StoreSettings(_Section, frozen=True):
    """The database of requests and statistics."""

    url: Annotated[str, Meta(description="SQLAlchemy URL; empty is `sqlite+aiosqlite:///$FIRSTTOKEN_HOME/firsttoken.db`.")] = ""
    queue_size: Annotated[int, Meta(ge=100, description="Most events waiting to be written; more are dropped and counted.")] = 20_000
    shutdown_s: Annotated[float, Meta(gt=0, description="Longest time to write what is waiting at shutdown.")] = 5.0


class CaptureSettings(_Section, frozen=True):
    """What of the content is kept."""

    content: Annotated[
        bool, Meta(description="Keep prompts and answers. Reserved: content is never kept yet, and turning it on is refused.")
    ] = False


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings, by section, and the home folder that everything lives in."""

    home: Path
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    store: StoreSettings = StoreSettings()
    capture: CaptureSettings = CaptureSettings()

    @property
    def store_url(self) -> str:
        """The store's URL with the default filled in."""
        return self.store.url or f"sqlite+aiosqlite:///{self.home / 'firsttoken.db'}"


SECTIONS: dict[str, type[_Section]] = {
    "server": ServerSettings,
    "engine": EngineSettings,
    "telemetry": TelemetrySettings,
    "store": StoreSettings,
    "capture": CaptureSettings,
}


class SettingInfo(msgspec.Struct, frozen=True):
    """One setting, for documentation and for flags."""

    section: str
    key: str
    default: object
    description: str

    @property
    def name(self) -> str:
        """`section.key`."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"FIRSTTOKEN_{self.section}_{self.key}".upper()

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return f"--{self.section}-{self.key}".replace("_", "-")


def describe() -> Iterator[SettingInfo]:
    """Every setting in order of section and declaration."""
    for section, struct in SECTIONS.items():
        defaults = struct()
        for key in struct.__struct_fields__:
            yield SettingInfo(section, key, getattr(defaults, key), _description(struct, key))


def _description(struct: type[_Section], key: str) -> str:
    hint = get_type_hints(struct, include_extras=True)[key]
    return next((meta.description or "" for meta in get_args(hint)[1:] if isinstance(meta, Meta)), "")


def load(
    env: Mapping[str, str],
    flags: Mapping[str, Any] | None = None,
    config: Path | None = None,
    home: Path | None = None,
) -> Settings:
    """Merge all sources; `flags` maps `section.key` to values.

    Raises:
        SettingsError: an unknown key, a wrong value or an unreadable file; the message names key and source.
    """
    home = (home or Path(env.get("FIRSTTOKEN_HOME") or platformdirs.user_data_dir("firsttoken"))).expanduser().absolute()
    merged: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    sources: dict[str, str] = {}
    layers = [*_from_file(config, home), *_from_env(env), *((k, v, "flag") for k, v in (flags or {}).items())]
    for name, value, source in layers:
        section, _, key = name.partition(".")
        if section not in SECTIONS or key not in SECTIONS[section].__struct_fields__:
            raise SettingsError(f"unknown setting {name!r} (from {source}); `firsttoken settings` lists all")
        merged[section][key] = value
        sources[name] = source
    settings = Settings(home=home, **{name: _section(name, values, sources) for name, values in merged.items()})
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    """What types cannot say."""
    try:
        ContextBuckets(settings.telemetry.context_buckets)
    except ValueError as error:
        raise SettingsError(f"telemetry.context_buckets: {error}") from None
    if settings.capture.content:
        raise SettingsError("capture.content: keeping content is not possible yet; leave it off")


def _section(name: str, values: dict[str, Any], sources: Mapping[str, str]) -> Any:
    """Convert one section's values, strings from the environment included."""
    for key, value in values.items():
        try:
            msgspec.convert({key: _split(SECTIONS[name], key, value)}, SECTIONS[name], strict=False)
        except msgspec.ValidationError as error:
            what = str(error).split(" - at")[0]
            raise SettingsError(f"{name}.{key} = {value!r} (from {sources[f'{name}.{key}']}): {what}") from None
    prepared = {key: _split(SECTIONS[name], key, value) for key, value in values.items()}
    return msgspec.convert(prepared, SECTIONS[name], strict=False)


def _split(struct: type[_Section], key: str, value: Any) -> Any:
    """Lists come as comma-separated text from the environment and from flags."""
    is_list = isinstance(getattr(struct(), key), tuple)
    if is_list and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _from_file(config: Path | None, home: Path) -> Iterator[tuple[str, Any, str]]:
    """`firsttoken.toml`: the given one, or that in the home folder if there is one."""
    path = config or home / "firsttoken.toml"
    if config is None and not path.exists():
        return
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read the settings file {path}: {error}") from None
    for section, values in data.items():
        if not isinstance(values, dict):
            raise SettingsError(f"unknown setting {section!r} (from {path}): settings stand in sections, e.g. [server]")
        for key, value in values.items():
            yield f"{section}.{key}", value, str(path)


def _from_env(env: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """`FIRSTTOKEN_SECTION_KEY` variables; `FIRSTTOKEN_HOME` and `FIRSTTOKEN_CONFIG` are not settings."""
    for variable, value in env.items():
        if variable.startswith("FIRSTTOKEN_") and variable not in ("FIRSTTOKEN_HOME", "FIRSTTOKEN_CONFIG"):
            section, _, key = variable.removeprefix("FIRSTTOKEN_").lower().partition("_")
            yield f"{section}.{key}", value, variable
