"""From `engine.adapters` to files: which LoRA adapters each model is loaded with.

An entry is `name=path`, or `model:name=path` where several models are served. Clients choose an adapter by
asking for the model `model:name`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.models.storage import ModelFileError, check_magic

SEPARATOR = ":"
"""Between a model's name and its adapter's."""

_ENTRY = re.compile(r"(?:(?P<model>[^=]+):)?(?P<name>[A-Za-z0-9_.-]{1,64})=(?P<path>.+)")


def adapters_by_model(entries: Iterable[str], models: Sequence[str]) -> dict[str, dict[str, str]]:
    """Model name → adapter name → absolute path of a readable GGUF file.

    Raises:
        ModelFileError: an entry is not understood, names no served model, or leads to no GGUF file.
    """
    found: dict[str, dict[str, str]] = {model: {} for model in models}
    for entry in entries:
        parts = _ENTRY.fullmatch(entry)
        if parts is None:
            raise ModelFileError(
                f"engine.adapters: {entry!r} is not understood; write name=path, or model:name=path (name:"
                " letters, digits, _.-)"
            )
        model = _model(entry, parts["model"], models)
        if parts["name"] in found[model]:
            raise ModelFileError(f"engine.adapters: {model} has two adapters {parts['name']!r}")
        path = Path(parts["path"]).expanduser().absolute()
        if not path.is_file():
            raise ModelFileError(f"engine.adapters: {entry!r}: there is no file {path}")
        check_magic(path)
        found[model][parts["name"]] = str(path)
    return found


def names_of(model: str, adapters: Iterable[str]) -> list[str]:
    """What clients may ask for: the model, and the model with each adapter."""
    return [model, *(f"{model}{SEPARATOR}{adapter}" for adapter in adapters)]


def _model(entry: str, named: str | None, models: Sequence[str]) -> str:
    if named is None and len(models) == 1:
        return models[0]
    if named is None:
        raise ModelFileError(
            f"engine.adapters: {entry!r} does not say for which model; write model:name=path with one of"
            f" {', '.join(models)}"
        )
    if named not in models:
        raise ModelFileError(
            f"engine.adapters: {entry!r} is for {named!r}, which is not served; served are"
            f" {', '.join(models)}"
        )
    return named
