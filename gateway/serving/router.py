"""Which handle serves which model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import ModelNotFoundError
from gateway.models.adapters import SEPARATOR, names_of
from gateway.serving.handle import Handle


@dataclass(frozen=True, slots=True)
class Target:
    """What answers a request: a handle, and a LoRA adapter of it ("": the bare model)."""

    handle: Handle
    adapter: str = ""


class Router:
    """Model names → handles, which come and go while it serves."""

    def __init__(self, handles: Iterable[Handle] = ()) -> None:
        self._handles: dict[str, Handle] = {}
        for handle in handles:
            self.add(handle)

    def add(self, handle: Handle) -> None:
        """Serve one more model from now on.

        Raises:
            ValueError: there is one of this name.
        """
        if handle.model in self._handles:
            raise ValueError(f"a model {handle.model!r} is served already")
        self._handles[handle.model] = handle

    def remove(self, model: str) -> Handle:
        """Route nothing more to a model; its running requests go on until its handle is stopped.

        Raises:
            ModelNotFoundError: there is none of this name.
        """
        if model not in self._handles:
            raise self._not_found(model)
        return self._handles.pop(model)

    @property
    def handles(self) -> list[Handle]:
        """All handles, by model name."""
        return [self._handles[name] for name in sorted(self._handles)]

    def find(self, model: str) -> Target:
        """The handle of a model, and the adapter that `model:adapter` asks for.

        Raises:
            ModelNotFoundError: it is not served here; the message lists what is.
        """
        if model in self._handles:
            return Target(self._handles[model])
        base, _, adapter = model.rpartition(SEPARATOR)
        if base in self._handles and adapter in self._handles[base].adapters:
            return Target(self._handles[base], adapter)
        raise self._not_found(model)

    @property
    def names(self) -> list[str]:
        """Everything that clients may ask for: models, and models with an adapter."""
        return [name for handle in self.handles for name in names_of(handle.model, handle.adapters)]

    def provider_of(self, model: str | None) -> str | None:
        """The provider of a model; None where it is not served here."""
        try:
            return None if model is None else self.find(model).handle.provider
        except ModelNotFoundError:
            return None

    def _not_found(self, model: str) -> ModelNotFoundError:
        served = ", ".join(self.names) or "none"
        return ModelNotFoundError(
            f"The model {model[:100]!r} is not served here; served are: {served}.", param="model"
        )
