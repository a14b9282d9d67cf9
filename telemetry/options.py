"""Options of telemetry: what a gateway's settings come down to, in parts that belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from telemetry.context_buckets import ContextBuckets
from telemetry.cost import Prices
from telemetry.energy.rapl import DEFAULT_PATH
from telemetry.energy.sources import NVML, RAPL
from telemetry.slo import INTER_TOKEN, Objective
from telemetry.store.retention import Retention
from telemetry.watches.slo import EVERY_S


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Options of what leaves the gateway as it happens: the level of log lines on stderr, and the environment
    whose `OTEL_*` variables say what is sent over OTLP.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The database (a URL of SQLAlchemy's), how many events may
    wait to be written, and what is forgotten when.
    """

    url: str
    queue_size: int
    retention: Retention = field(default_factory=Retention)


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """Options of records: the context buckets of their prompts,
    and the members of W3C baggage that are kept.
    """

    buckets: ContextBuckets = field(default_factory=ContextBuckets)
    allowed_baggage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SloOptions:
    """Objectives, the days that their budgets are for, where changes of state are posted ('' is nowhere) as
    whose, and how often they are looked at (seconds).
    """

    objectives: tuple[Objective, ...] = ()
    window_days: float = 30.0
    webhook_url: str = ""
    gateway: str = ""
    every_s: float = EVERY_S

    @property
    def slow_gap_ms(self) -> float | None:
        """The gap between two tokens that is too long; None where there is no objective for that."""
        limits = (objective.threshold_ms for objective in self.objectives if objective.name == INTER_TOKEN)
        return next(limits, None)


@dataclass(frozen=True, slots=True)
class EnergyOptions:
    """The sources of energy that are looked for (`rapl`,
    `nvml`), where RAPL is, and what energy and tokens cost.
    """

    sources: tuple[str, ...] = (RAPL, NVML)
    rapl_path: Path = Path(DEFAULT_PATH)
    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """Options of content: whether what is said in chats is kept, how much of each text, and what is taken out
    besides the usual secrets (regular expressions).
    """

    content: bool = False
    max_text_chars: int = 65_536
    redact_patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TelemetryOptions:
    """All of telemetry. With `enabled` False only the live view
    is kept: no spans, no metrics of requests, no rows, no lines.

    What is said in chats is noted only where `capture` or OpenTelemetry's own variable asks for it. `home` is
    the folder whose disk is watched; None watches none.
    """

    store: StoreOptions
    output: OutputOptions = field(default_factory=OutputOptions)
    requests: RequestOptions = field(default_factory=RequestOptions)
    slo: SloOptions = field(default_factory=SloOptions)
    energy: EnergyOptions = field(default_factory=EnergyOptions)
    capture: CaptureOptions = field(default_factory=CaptureOptions)
    home: Path | None = None
    enabled: bool = True
