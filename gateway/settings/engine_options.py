"""From settings to what an engine process is started with: the `engine` section, and what
`engine.overrides` says of one model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from gateway.engine.options import EngineOptions
from gateway.models.storage import ModelFile, ModelFileError, resolve
from gateway.settings.engine import EngineSettings
from gateway.settings.load import Settings, SettingsError

NOT_PER_MODEL = ("models", "adapters", "overrides")
"""Keys that say which models there are."""


def engine_options(settings: Settings, file: ModelFile, adapters: Mapping[str, str]) -> EngineOptions:
    """The options of one model's engine.

    Raises:
        ModelFileError: its draft model is not there or no GGUF file.
    """
    engine = engine_settings(settings.engine, file.name)
    own = {
        name: getattr(engine, name)
        for name in EngineOptions.__struct_fields__
        if name in EngineSettings.__struct_fields__ and name not in ("adapters", "draft_model")
    }
    draft = draft_model(engine)
    return EngineOptions(
        model=file.name,
        path=str(file.path),
        digest_cache=str(settings.home / "cache" / "digests.json"),
        cache_folder=str(prefix_folder(settings)),
        tuning_folder=str(settings.home / "tuning"),
        adapters=dict(adapters),
        draft_model="" if draft is None else str(draft.path),
        **own,
    )


def prefix_folder(settings: Settings) -> Path:
    """Where all engines' prefix caches have their files."""
    return settings.home / "cache" / "prefix"


def draft_model(engine: EngineSettings) -> ModelFile | None:
    """The file of a model's draft model; None without one.

    Raises:
        ModelFileError: it is not there, or no GGUF file.
    """
    try:
        return resolve(engine.draft_model) if engine.draft_model else None
    except ModelFileError as error:
        raise ModelFileError(f"engine.draft_model: {error}") from None


def engine_settings(engine: EngineSettings, model: str) -> EngineSettings:
    """The section as it is for one model.

    Raises:
        SettingsError: an override is not understood; the message names it.
    """
    own: dict[str, str] = {}
    for entry in engine.overrides:
        named, key, value = _parts(entry)
        if named == model:
            own[key] = value
    values = msgspec.to_builtins(engine) | own
    try:
        return msgspec.convert(values, EngineSettings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"engine.overrides for {model}: {error}") from None


def check_overrides(engine: EngineSettings, models: Sequence[str]) -> None:
    """See that every override is for a served model and fits.

    Raises:
        SettingsError: one does not; the message names it.
    """
    for entry in engine.overrides:
        named, _, _ = _parts(entry)
        if named not in models:
            raise SettingsError(
                f"engine.overrides: {entry!r} is for {named!r}, which is not served; served are"
                f" {', '.join(models)}"
            )
    for model in models:
        engine_settings(engine, model)


def _parts(entry: str) -> tuple[str, str, str]:
    target, equals, value = entry.partition("=")
    model, colon, key = target.rpartition(":")
    if not (model and colon and equals):
        raise SettingsError(f"engine.overrides: {entry!r} is not understood; write model:key=value")
    if key not in EngineSettings.__struct_fields__ or key in NOT_PER_MODEL:
        raise SettingsError(
            f"engine.overrides: {entry!r}: {key!r} is not a setting of a model; `firsttoken settings` lists"
            " those of `engine`"
        )
    return model, key, value
