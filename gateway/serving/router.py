"""Which engine serves which model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import ModelNotFoundError
from gateway.models.adapters import SEPARATOR, names_of
from gateway.serving.engine_handle import EngineHandle


@dataclass(frozen=True, slots=True)
class Target:
    """What answers a request: an engine, and a LoRA adapter of it ("": the bare model)."""

    handle: EngineHandle
    adapter: str = ""


class Router:
    """Model names → engine handles; fixed for the life of the process."""

    def __init__(self, handles: Iterable[EngineHandle]) -> None:
        self._handles = {handle.model: handle for handle in handles}

    @property
    def handles(self) -> list[EngineHandle]:
        """All engines, by model name."""
        return [self._handles[name] for name in sorted(self._handles)]

    def find(self, model: str) -> Target:
        """The engine of a model, and the adapter that `model:adapter` asks for.

        Raises:
            ModelNotFoundError: it is not served here; the message lists what is.
        """
        if model in self._handles:
            return Target(self._handles[model])
        base, _, adapter = model.rpartition(SEPARATOR)
        if base in self._handles and adapter in self._handles[base].adapters:
            return Target(self._handles[base], adapter)
        served = ", ".join(self.names) or "none"
        raise ModelNotFoundError(f"The model {model[:100]!r} is not served here; served are: {served}.", param="model")

    @property
    def names(self) -> list[str]:
        """Everything that clients may ask for: models, and models with an adapter."""
        return [name for handle in self.handles for name in names_of(handle.model, handle.adapters)]
