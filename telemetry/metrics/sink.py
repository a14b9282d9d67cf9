"""The metrics sink: takes events and HTTP exchanges, reads sources, and renders `/metrics`.

What requests and engines mean in numbers is said in `telemetry.metrics.requests` and
`telemetry.metrics.engines`. Called from the gateway's event loop only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence

from telemetry.events import EngineConfig, EngineSample, EngineStatus
from telemetry.logs.events import event
from telemetry.metrics import instruments_gateway as metric
from telemetry.metrics.engines import EngineMetrics
from telemetry.metrics.instruments import REJECTED
from telemetry.metrics.outlets import MetricsBackend, Outlets, Source
from telemetry.metrics.prometheus import PrometheusBackend
from telemetry.metrics.requests import RequestMetrics
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink
from telemetry.semconv import UNKNOWN_MODEL
from telemetry.slo import Objective
from telemetry.speed_change import SpeedChange
from telemetry.trace_ids import TraceIds

log = logging.getLogger(__name__)

HTTP_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}
)
"""Known to the HTTP convention; any other is `_OTHER`."""

SCHEME = "http"
"""TLS, where there is any, ends before us."""


class MetricsSink(NullSink, Outlets):
    """Turns events into values; `served` gives the names of the models that we serve now. One that is not
    given requests does not count them, and has no zeros of them.
    """

    def __init__(
        self,
        served: Callable[[], Collection[str]],
        prometheus: PrometheusBackend | None = None,
        others: Sequence[MetricsBackend] = (),
        sources: Sequence[Source] = (),
        objectives: Sequence[Objective] = (),
        counts_requests: bool = True,
    ) -> None:
        self.prometheus = prometheus or PrometheusBackend()
        super().__init__((self.prometheus, *others))
        self._requests = RequestMetrics(self, served, objectives)
        self._counts_requests = counts_requests
        if counts_requests:
            self._requests.from_zero((*served(), UNKNOWN_MODEL))
            self._requests.rejections_from_zero()
        self._engines = EngineMetrics(self)
        self._sources: list[Source] = []
        self._failed_sources: set[str] = set()
        for source in sources:
            self.add_source(source)

    def serving(self, models: Iterable[str]) -> None:
        """These models are served from now on: what counts their requests begins at 0."""
        if self._counts_requests:
            self._requests.from_zero(models)

    def add_source(self, source: Source) -> None:
        """Read one more source, whose instruments need not be in the catalog; its failures count from 0."""
        for instrument in source.instruments:
            self.declare(instrument)
        self._sources.append(source)
        self.record(metric.SOURCE_FAILURES, 0, source.name)

    def refresh(self) -> None:
        """Read every source. `EventLoopMonitor` calls this now and then, `render` before every scrape. One
        that fails is read again next time; the others, and the page, do without it.
        """
        for source in self._sources:
            try:
                source.collect(self)
            except Exception as error:
                self.record(metric.SOURCE_FAILURES, 1, source.name)
                if source.name not in self._failed_sources:
                    self._failed_sources.add(source.name)
                    words = "figures of %s cannot be read; further failures are only counted: %s"
                    log.warning(words, source.name, error, extra=event("telemetry.source_failed"))

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Body and content type of `/metrics` for an Accept header."""
        self.refresh()
        return self.prometheus.render(accept)

    # Requests -----------------------------------------------------------------------------------------------
    def admitted(self, record: RequestRecord) -> None:
        self._requests.arrived(record)

    def completed(self, record: RequestRecord) -> None:
        self._requests.completed(record)

    def rejected(self, reason: str) -> None:
        self.record(REJECTED, 1, reason)

    # Engines ------------------------------------------------------------------------------------------------
    def engine_status(self, status: EngineStatus) -> None:
        self._engines.status(status)

    def engine_sample(self, sample: EngineSample) -> None:
        self._engines.sample(sample)

    def engine_config(self, config: EngineConfig) -> None:
        self._engines.config(config)

    def speed_changed(self, change: SpeedChange) -> None:
        self._engines.speed_changed(change, self._requests.known(change.model))

    # HTTP ---------------------------------------------------------------------------------------------------
    def http_started(self, method: str) -> None:
        """Count a request in flight; each call is paired with one of `http_request`."""
        self.record(metric.HTTP_ACTIVE, 1, _method(method), SCHEME)

    def http_request(
        self, method: str, route: str, status: int, duration_s: float, trace: TraceIds | None = None
    ) -> None:
        """Record a finished HTTP request; `route` is the template (`/a/{id}`), '' where nothing matched,
        never the raw path. `trace` is that of a request to a model.
        """
        failure = str(status) if status >= 500 else ""
        self.record(
            metric.HTTP_DURATION,
            duration_s,
            _method(method),
            route,
            str(status),
            SCHEME,
            failure,
            trace=trace,
        )
        self.record(metric.HTTP_ACTIVE, -1, _method(method), SCHEME)


def _method(method: str) -> str:
    return method if method in HTTP_METHODS else "_OTHER"
