"""The context of the toy's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class ToyContext:
    """The requests of one model that run now."""

    model: Annotated[str, "The model, or '' for all."]
    running: Annotated[int, "How many requests run now."]
