"""Settings as they may be shown: the value in effect, where it came from, how to change it, and no secret
ever.

What is secret is masked by its name unless it is known to be public, so that a new setting cannot leak by
being forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway.settings.load import SettingInfo, Settings, describe
from telemetry.health import host_of
from telemetry.redact import Redactor, without_passwords

MASK = "***"

SOUNDS_SECRET = re.compile(
    r"(^|_)(api_?keys?|keys?|tokens?|secrets?|passwords?|passwd|headers?|credentials?|urls?|dsn|endpoint)($|_)",
    re.IGNORECASE,
)

PUBLIC = frozenset(
    {
        *("cost.price_per_input_token", "cost.price_per_cached_input_token", "cost.price_per_output_token"),
        *(
            "slo.inter_token_ms",
            "slo.inter_token_share",
            "engine.draft_max_tokens",
            "engine.allow_control_tokens",
        ),
    }
)
"""Settings that only sound secret."""

MAX_CHARS = 4000
"""Of one value."""

_redactor = Redactor()


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting without secrets. `source` is built-in, file, environment or flag, `origin` the file or
    variable itself; `flag` is '' where there is none.
    """

    section: str
    name: str
    value: str
    source: str
    origin: str
    description: str
    variable: str
    flag: str


def without_credentials(url: str) -> str:
    """A database's URL without password and query; the password may hold any character, `@` and `/`
    included.
    """
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    shown = f"{user}:{MASK}@{place}" if at and colon else rest
    path, question, _ = shown.partition("?")
    return f"{scheme}{separator}{path}{question}{MASK if question else ''}"


def host_only(url: str) -> str:
    """A webhook's URL: such a path is the secret."""
    return f"{host_of(url)}/{MASK}" if url else url


MASKS: Mapping[str, Callable[[str], str]] = {"store.url": without_credentials, "slo.webhook_url": host_only}
"""Secrets of which a part may be shown."""


def value_of(effective: Settings, info: SettingInfo) -> object:
    """A setting's value in effect, without secrets."""
    value = getattr(getattr(effective, info.section), info.key)
    if info.name in MASKS:
        return MASKS[info.name](str(value))
    if SOUNDS_SECRET.search(info.key) and info.name not in PUBLIC:
        return MASK if value else value
    if isinstance(value, tuple):
        return tuple(_clean(part) for part in value)
    return _clean(value)


def _clean(value: object) -> object:
    """A text without what looks like a secret; anything else as it is."""
    return _redactor.redact(without_passwords(value), MAX_CHARS) if isinstance(value, str) else value


def shown(value: object) -> str:
    """A value as it would be written in an environment variable; nothing is `(empty)`."""
    if isinstance(value, tuple):
        value = ",".join(str(part) for part in value)
    if isinstance(value, bool):
        value = str(value).lower()
    return str(value) or "(empty)"


def shown_settings(effective: Settings, env: Mapping[str, str]) -> tuple[ShownSetting, ...]:
    """The home folder, every setting, and OpenTelemetry's variables."""
    return (_home(effective), *(_setting(effective, info) for info in describe()), *_otel(env))


def _setting(effective: Settings, info: SettingInfo) -> ShownSetting:
    origin = effective.sources.get(info.name, "")
    value = shown(value_of(effective, info))
    if getattr(getattr(effective, info.section), info.key) is None:
        value = "(unset)"
    if info.name == "store.url" and not effective.store.url:
        value = effective.store_url
    return ShownSetting(
        info.section,
        info.name,
        value,
        _kind(origin, info.variable),
        origin,
        info.description,
        info.variable,
        info.flag,
    )


def _kind(origin: str, variable: str) -> str:
    """Where a value came from, by what `gateway.settings.load.load` noted."""
    return {"": "built-in", "flag": "flag", variable: "environment"}.get(origin, "file")


def _home(effective: Settings) -> ShownSetting:
    origin = effective.sources.get("home", "")
    words = "Folder that everything is kept in: database, cache, logs, the settings file."
    return ShownSetting(
        "home",
        "home",
        str(effective.home),
        _kind(origin, "FIRSTTOKEN_HOME"),
        origin,
        words,
        "FIRSTTOKEN_HOME",
        "--home",
    )


OTEL = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Collector that traces, metrics and logs are sent to; empty is nowhere.",
    "OTEL_EXPORTER_OTLP_HEADERS": "Headers of each export, such as keys: never shown.",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf (default) or grpc.",
    "OTEL_SERVICE_NAME": "Name of this service; empty is firsttoken.",
    "OTEL_TRACES_SAMPLER": "Which traces are kept; empty is parentbased_always_on.",
    "OTEL_METRIC_EXPORT_INTERVAL": "Milliseconds between two exports of metrics; empty is 10000.",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "Whether spans carry what was said; empty is no.",
}
"""The standard variables that are listed also where they are not set."""


def _otel(env: Mapping[str, str]) -> Iterator[ShownSetting]:
    names = [*OTEL, *sorted(name for name in env if name.startswith("OTEL_") and name not in OTEL)]
    for name in names:
        value, words = (
            _otel_value(name, env.get(name, "")),
            OTEL.get(name, "A standard variable of OpenTelemetry."),
        )
        source, origin = ("environment", name) if name in env else ("built-in", "")
        yield ShownSetting("OpenTelemetry", name, value, source, origin, words, name, "")


def _otel_value(name: str, value: str) -> str:
    if not value:
        return "(empty)"
    if name.endswith("_ENDPOINT"):
        return host_of(value)
    return MASK if SOUNDS_SECRET.search(name) else str(_clean(value))
