"""The seam between the gateway and whatever answers: an engine process on this machine, or a server
elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.engine.tuning import Tuning
from gateway.engine.vocab_info import VocabInfo
from gateway.errors import EngineUnavailableError
from gateway.serving.call import Call
from gateway.serving.work import Work
from telemetry.events import EngineConfig, EngineStatus
from telemetry.record import RequestRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a handle serves with. `config` None: it is not known (somebody else's engine); `task`: chat,
    embeddings or rerank; `special_tokens` by role; `tuning`: what was chosen by measurement; `threads_limit`:
    what decided the number of threads; `vocab`: its vocabulary.
    """

    config: EngineConfig | None = None
    task: str = "chat"
    special_tokens: Mapping[str, str] | None = None
    chat_template: bool | None = None
    tuning: Tuning | None = None
    threads_limit: str | None = None
    vocab: VocabInfo | None = None

    @property
    def config_id(self) -> str | None:
        """The id of the engine's configuration, which rows and answers carry."""
        return None if self.config is None else self.config.config_id


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many requests it works on at once, and how many it has."""

    slots: int
    in_flight: int


class Handle(Protocol):
    """What answers for one model."""

    @property
    def model(self) -> str:
        """The name that clients use."""

    @property
    def provider(self) -> str:
        """`gen_ai.provider.name` of its requests."""

    @property
    def adapters(self) -> Sequence[str]:
        """Names of LoRA adapters that can be asked for as `model:adapter`."""

    @property
    def status(self) -> EngineStatus:
        """Whether it can answer, and if not, why."""

    @property
    def description(self) -> Description | None:
        """What it serves with; None while it is not loaded."""

    @property
    def capacity(self) -> Capacity:
        """What it has to do; asked for each request."""

    @property
    def awaiting(self) -> int:
        """Requests that have no first token yet."""

    def next_start_ms(self, now_ns: int) -> float | None:
        """Milliseconds until the next waiting request has its first token; None while none waits or none
        is predicted.
        """

    def start(self) -> None:
        """Bring it up; returns at once."""

    async def stop(self, deadline_s: float) -> None:
        """End it and stay ended; what it works on then fails."""

    async def wait_ready(self, timeout_s: float) -> None:
        """Until it can answer.

        Raises:
            EngineUnavailableError: it was given up, or is not ready in time.
        """

    def unavailable(self) -> EngineUnavailableError:
        """The error for a request that it cannot take now."""

    def submit(self, record: RequestRecord, work: Work, adapter: str = "") -> Call:
        """Begin with a request; what comes of it arrives at the call.

        Raises:
            ApiError: it cannot be taken.
        """
