"""Which engine serves which model."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.errors import ModelNotFoundError
from gateway.serving.engine_handle import EngineHandle


class Router:
    """Model names → engine handles; fixed for the life of the process."""

    def __init__(self, handles: Iterable[EngineHandle]) -> None:
        self._handles = {handle.model: handle for handle in handles}

    @property
    def handles(self) -> list[EngineHandle]:
        """All engines, by model name."""
        return [self._handles[name] for name in sorted(self._handles)]

    def find(self, model: str) -> EngineHandle:
        """The engine of a model.

        Raises:
            ModelNotFoundError: it is not served here; the message lists what is.
        """
        handle = self._handles.get(model)
        if handle is None:
            served = ", ".join(sorted(self._handles)) or "none"
            raise ModelNotFoundError(f"The model {model[:100]!r} is not served here; served are: {served}.", param="model")
        return handle
