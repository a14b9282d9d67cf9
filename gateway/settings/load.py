"""Settings: built-in < `firsttoken.toml` < `FIRSTTOKEN_*` environment < flags.

One naming scheme: `section.key` is `FIRSTTOKEN_SECTION_KEY` and `--section-key`. Unknown keys are errors. The
environment is passed in; nothing is read at import. The settings themselves are in
`gateway.settings.sections`.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import platformdirs
from msgspec import Meta

from gateway.nearest import did_you_mean, nearest
from gateway.settings.engine import EngineSettings, Section
from gateway.settings.sections import (
    CaptureSettings,
    CostSettings,
    ServerSettings,
    SloSettings,
    StoreSettings,
    TelemetrySettings,
)
from telemetry.context_buckets import ContextBuckets

PREFIX = "FIRSTTOKEN_"
"""Of environment variables."""

_DATABASE = re.compile(r"sqlite(\+\w+)?:///(?!:memory:).+|postgresql(\+\w+)?://.+", re.DOTALL)

LISTED = "`firsttoken settings` lists all settings"


class SettingsError(ValueError):
    """A setting that is unknown or has a wrong value; the message names it and says where it came from."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings, by section, and the home folder that everything lives in."""

    home: Path
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    store: StoreSettings = StoreSettings()
    slo: SloSettings = SloSettings()
    cost: CostSettings = CostSettings()
    capture: CaptureSettings = CaptureSettings()
    sources: dict[str, str] = {}
    """`section.key` (or `home`) → `flag`, the variable or the file that it came from; what is built in is
    not there.
    """

    @property
    def store_url(self) -> str:
        """The store's URL with the default filled in."""
        return self.store.url or f"sqlite+aiosqlite:///{self.home / 'firsttoken.db'}"


SECTIONS: dict[str, type[Section]] = {
    "server": ServerSettings,
    "engine": EngineSettings,
    "telemetry": TelemetrySettings,
    "store": StoreSettings,
    "slo": SloSettings,
    "cost": CostSettings,
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


def _description(struct: type[Section], key: str) -> str:
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
    from_home = "flag" if home else "FIRSTTOKEN_HOME" if env.get("FIRSTTOKEN_HOME") else ""
    home = (
        (home or Path(env.get("FIRSTTOKEN_HOME") or platformdirs.user_data_dir("firsttoken")))
        .expanduser()
        .absolute()
    )
    merged: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    sources: dict[str, str] = {}
    layers = [*_from_file(config, home), *_from_env(env), *((k, v, "flag") for k, v in (flags or {}).items())]
    for name, value, source in layers:
        section, _, key = name.partition(".")
        if section not in SECTIONS or key not in SECTIONS[section].__struct_fields__:
            raise SettingsError(_unknown(name, source))
        merged[section][key] = value
        sources[name] = source
    if from_home:
        sources["home"] = from_home
    settings = Settings(
        home=home,
        sources=sources,
        **{name: _section(name, values, sources) for name, values in merged.items()},
    )
    _check(settings, sources)
    return settings


def _unknown(name: str, source: str) -> str:
    """Say that a setting is unknown, and which one may have been meant, as it is written where it came
    from.
    """
    if source.startswith(PREFIX):
        found = nearest(source.removeprefix(PREFIX), [info.variable for info in describe()])
        return f"unknown variable {source}; {did_you_mean(found, LISTED)}"
    return (
        f"unknown setting {name!r} (from {source});"
        f" {did_you_mean(nearest(name, [info.name for info in describe()]), LISTED)}"
    )


def _check(settings: Settings, sources: Mapping[str, str]) -> None:
    """What types cannot say."""
    try:
        ContextBuckets(settings.telemetry.context_buckets)
    except ValueError as error:
        raise SettingsError(f"telemetry.context_buckets: {error}") from None
    if settings.store.url and not _DATABASE.fullmatch(settings.store.url):
        remedy = (
            "write sqlite+aiosqlite:///PATH (an absolute path has four slashes), or"
            " postgresql+asyncpg://USER:PASSWORD@HOST/NAME"
        )
        raise SettingsError(
            f"store.url = {settings.store.url!r} (from {_told('store.url', sources)}) is no database of a"
            f" known kind; {remedy}"
        )
    for key, value in msgspec.structs.asdict(settings.cost).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(
                f"cost.{key} = {value} (from {_told(f'cost.{key}', sources)}): it is no price"
            )
    for pattern in settings.capture.redact_patterns:
        _check_pattern(pattern)


def _told(name: str, sources: Mapping[str, str]) -> str:
    """Where a setting came from, for people: the file, the variable, or the flag as it is written."""
    section, _, key = name.partition(".")
    return SettingInfo(section, key, None, "").flag if sources[name] == "flag" else sources[name]


def _check_pattern(pattern: str) -> None:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(
            f"capture.redact_patterns: {pattern!r} is no regular expression: {error}"
        ) from None
    if compiled.search("") is not None:
        raise SettingsError(
            f"capture.redact_patterns: {pattern!r} matches the empty text, so it says nothing"
        )


def _section(name: str, values: dict[str, Any], sources: Mapping[str, str]) -> Any:
    """Convert one section's values, strings from the environment included."""
    for key, value in values.items():
        try:
            msgspec.convert({key: _split(SECTIONS[name], key, value)}, SECTIONS[name], strict=False)
        except msgspec.ValidationError as error:
            what = str(error).split(" - at")[0]
            raise SettingsError(
                f"{name}.{key} = {value!r} (from {_told(f'{name}.{key}', sources)}): {what}"
            ) from None
    prepared = {key: _split(SECTIONS[name], key, value) for key, value in values.items()}
    return msgspec.convert(prepared, SECTIONS[name], strict=False)


def _split(struct: type[Section], key: str, value: Any) -> Any:
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
            found = nearest(section, [info.name for info in describe()])
            raise SettingsError(
                f"{section!r} (from {path}) is in no section, e.g. [server];"
                f" {did_you_mean([_in_section(name) for name in found], LISTED)}"
            )
        for key, value in values.items():
            yield f"{section}.{key}", value, str(path)


def _in_section(name: str) -> str:
    section, _, key = name.partition(".")
    return f"{key} under [{section}]"


def _from_env(env: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """`FIRSTTOKEN_SECTION_KEY` variables; `FIRSTTOKEN_HOME` and `FIRSTTOKEN_CONFIG` are not settings."""
    for variable, value in env.items():
        if variable.startswith(PREFIX) and variable not in ("FIRSTTOKEN_HOME", "FIRSTTOKEN_CONFIG"):
            section, _, key = variable.removeprefix(PREFIX).lower().partition("_")
            yield f"{section}.{key}", value, variable
