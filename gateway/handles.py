"""What answers, made from the settings. A new kind of handle is a folder in `gateway/serving`, and a
source in `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.models.adapters import adapters_by_model
from gateway.models.storage import DEMO_MODEL, ModelFile, ModelFileError, resolve
from gateway.serving.handle import Handle
from gateway.serving.local.core_shares import CoreShares
from gateway.serving.local.handle import EngineHandle
from gateway.serving.local.process import WORKER_COMMAND
from gateway.serving.local.supervisor import Limits
from gateway.settings.engine_options import check_overrides, engine_options, engine_settings
from gateway.settings.load import Settings
from telemetry.recorder import Recorder


class HandleSource(Protocol):
    """Handles of one kind."""

    @property
    def models(self) -> Sequence[str]:
        """The models that they answer for."""

    def handles(self, recorder: Recorder) -> Sequence[Handle]:
        """Make them; they do nothing before they are started."""


class LocalEngines:
    """An engine process on this machine for each of `engine.models`.

    Raises:
        ModelFileError: a file, a name or an adapter is not what it must be.
        SettingsError: settings are for a model that is not served.
    """

    def __init__(self, settings: Settings, command: Sequence[str] = WORKER_COMMAND) -> None:
        self._settings = settings
        self._command = command
        self._files = [resolve(reference) for reference in settings.engine.models or (DEMO_MODEL,)]
        self.models = [file.name for file in self._files]
        if len(set(self.models)) < len(self.models):
            names = ", ".join(sorted(self.models))
            raise ModelFileError(f"two models have the same name: {names}; rename one of the files")
        self._adapters = adapters_by_model(settings.engine.adapters, self.models)
        check_overrides(settings.engine, self.models)

    def handles(self, recorder: Recorder) -> list[EngineHandle]:
        """One for each model; those that have work divide the cores."""
        handles = [self._handle(file, recorder) for file in self._files]
        shares = CoreShares(handles)
        for handle in handles:
            handle.on_load_changed = shares.changed
        return handles

    def _handle(self, file: ModelFile, recorder: Recorder) -> EngineHandle:
        settings = self._settings
        options = engine_options(settings, file, self._adapters[file.name])
        engine = engine_settings(settings.engine, file.name)
        limits = Limits(
            engine.heartbeat_timeout_s, engine.step_timeout_s, engine.load_timeout_s, engine.max_restarts
        )
        log_file = settings.home / "logs" / f"engine-{file.name}.log"
        return EngineHandle(options, recorder, log_file, limits, self._command)


MakeSource = Callable[[Settings], HandleSource]

SOURCES: tuple[MakeSource, ...] = (LocalEngines,)
