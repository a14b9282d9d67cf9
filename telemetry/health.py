"""The health of the gateway's parts now: one shape for
`/readyz`, pages, metrics and log lines. Holds no secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from telemetry.events import EngineState, EngineStatus


@dataclass(frozen=True, slots=True)
class ReadinessResult:
    """The answer of the readiness check: whether a configured
    model can answer; `reason` says why not ('' when one can).
    """

    ready: bool
    reason: str = ""


def readiness(statuses: Iterable[EngineStatus]) -> ReadinessResult:
    """Ready when one engine is: the store never makes the gateway unready."""
    known = list(statuses)
    if any(status.state is EngineState.READY for status in known):
        return ReadinessResult(ready=True)
    reasons = "; ".join(f"{status.model} {status.reason}" for status in known)
    return ReadinessResult(ready=False, reason=reasons or "no model is configured")


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The state of the store's writer; nobody keeps another one.

    `error` is why it cannot write ('' when it can), `opening` what is done before its first write (''
    afterwards), `failure` what kept it from writing last, `failure_age_s` ago. `queued` events wait in a
    queue of `queue_size`; of `dropped` events the database refused `refused`, the others found the queue
    full; `pruned` requests were forgotten, by age or for size. `file_bytes` is None where the database is no
    file of ours, and where its size cannot be read; `max_bytes` 0 is no limit. `flush_age_s` is the time
    since the last transaction (None: none yet). Nothing is written where it is not `enabled`.
    """

    error: str = ""
    queued: int = 0
    queue_size: int = 0
    dropped: int = 0
    file_bytes: int | None = None
    max_bytes: int = 0
    flush_age_s: float | None = None
    enabled: bool = True
    opening: str = ""
    refused: int = 0
    failure: str = ""
    failure_age_s: float | None = None
    pruned: int = 0

    @property
    def summary(self) -> str:
        """`ok` once the database was written to, and as long as it can be; `off`; else what is the matter."""
        if not self.enabled:
            return "off"
        return self.error or self.opening or "ok"


@dataclass(frozen=True, slots=True)
class ExporterHealth:
    """One signal's OTLP exporter: where it sends (scheme, host and port only), items since the start, and
    whether its last batch failed.
    """

    signal: str
    endpoint: str
    exported: int
    failed: int
    lost: int
    failing: bool


@dataclass(frozen=True, slots=True)
class DiskHealth:
    """The disk that a folder is on; None where it cannot be asked."""

    folder: str
    free_bytes: int | None
    total_bytes: int | None


class HealthChecks(Protocol):
    """The checks of the gateway's own health, as pages may read them."""

    def readiness(self) -> ReadinessResult:
        """The readiness that `/readyz` tells."""

    def store(self) -> StoreHealth:
        """The store's writer."""

    def exporters(self) -> Sequence[ExporterHealth]:
        """The OTLP exporters; empty where none is configured."""

    def loop_lag_s(self) -> float | None:
        """The event loop's worst lag of the last minute; None before it was measured."""

    def disk(self) -> DiskHealth:
        """The disk of the home folder."""


def host_of(endpoint: str) -> str:
    """Scheme, host and port of a URL: no user, password, path or query, any of which may be a secret."""
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is no URL"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}{port}" if parts.scheme else f"{host}{port}"
