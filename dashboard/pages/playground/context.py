"""The context of the Playground page's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class PlaygroundContext:
    """A chat with this gateway's own API."""

    models: Annotated[tuple[str, ...], "Models to choose from; those that are ready come first."]
    ready: Annotated[bool, "A model can answer now."]
    curl: Annotated[str, "A command that sends a first request."]
