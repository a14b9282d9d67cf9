"""Which models there are: an unknown name is a slip, and must not read like a model that nobody asked yet."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.output import CommandError
from gateway.models.adapters import adapters_by_model, names_of
from gateway.models.storage import DEMO_MODEL, ModelFileError, resolve
from gateway.nearest import did_you_mean, nearest
from gateway.settings.load import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

MAX_NAMED = 20


def configured(effective: Settings) -> list[str]:
    """What clients may ask for by the settings, adapters included; a model whose file is missing has its
    name all the same.
    """
    names = [configured_name(reference) for reference in effective.engine.models or (DEMO_MODEL,)]
    with suppress(ModelFileError):
        return [
            name
            for model, own in adapters_by_model(effective.engine.adapters, names).items()
            for name in names_of(model, own)
        ]
    return names


async def check_known(reader: AsyncEngine, effective: Settings, model: str | None) -> None:
    """Nothing to say of a model that is configured or has requests; None is all of them.

    Raises:
        CommandError: nobody knows it; the message names those that are known.
    """
    from telemetry.store.queries.names import has_requests, models

    if model is None or model in (own := configured(effective)) or await has_requests(reader, model):
        return
    known = sorted({*own, *await models(reader)})
    if model not in known:
        raise CommandError(f"no model {model!r} is known; {_named(model, known)}")


def _named(model: str, known: list[str]) -> str:
    listed = ", ".join(known[:MAX_NAMED]) + (
        f" and {len(known) - MAX_NAMED} more" if len(known) > MAX_NAMED else ""
    )
    suggested = did_you_mean(nearest(model, known), "")
    return f"{suggested} Known are {listed}" if suggested else f"known are {listed}"


def configured_name(reference: str) -> str:
    """What clients call the model of a reference, be its file there or not."""
    try:
        return resolve(reference).name
    except ModelFileError:
        return Path(reference).stem.lower()
