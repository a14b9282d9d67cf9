"""The composition root: the only place that knows everything. Settings in, a running gateway out."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.response import Redirect

from dashboard.deps import DashboardDeps
from dashboard.page import PATH as DASHBOARD
from dashboard.refusal import refusal_page
from dashboard.router import ErrorPages, dashboard_router
from gateway.announcement import Announce, Announcer
from gateway.api.admin.health import healthz, metrics, readyz
from gateway.api.admin.slo import slo
from gateway.api.admin.stats import StatsSource, stats
from gateway.api.dialect import Dialect, Dialects
from gateway.api.dialects import DIALECTS
from gateway.api.http.answering import Serving
from gateway.api.http.body import BodyLimits, BodyReader
from gateway.api.http.exchange import ExchangeMiddleware
from gateway.api.http.failures import api_error, http_error, unexpected_error
from gateway.api.http.guard import GuardMiddleware
from gateway.api.http.methods import MethodsMiddleware, allowing_head
from gateway.api.http.routes import routes_of
from gateway.errors import ApiError
from gateway.handles import SOURCES, MakeSource
from gateway.health import GatewayHealth
from gateway.listen import AddressError, claim, ending, listening, on_stop_signal
from gateway.models.storage import ModelFileError
from gateway.serving.admission import Admission
from gateway.serving.predicted_wait import PredictedWait
from gateway.serving.router import Router
from gateway.settings.load import Settings
from gateway.settings.sections import ServerSettings
from gateway.settings.values import shown_settings
from gateway.telemetry_options import telemetry_options
from telemetry.context_buckets import ContextBuckets
from telemetry.stack import TelemetryStack

log = logging.getLogger(__name__)

ENGINE_STOP_S = 2.0


class Gateway:
    """Everything wired; `start` and `stop` run on the event loop. `asgi` is the application, `litestar`
    its routes.
    """

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        announce: Announce = lambda _announcement: None,
        *,
        sources: Sequence[MakeSource] = SOURCES,
        dialects: Sequence[Dialect] = DIALECTS,
    ) -> None:
        self.settings = settings
        self._env = env
        self._dialects = Dialects(dialects)
        self.address = claim(settings.server.host, settings.server.port)
        made = [make(settings) for make in sources]
        self.announcer = Announcer(
            announce, self.base_url, [model for source in made for model in source.models]
        )
        self.router = Router()
        self.telemetry = self._telemetry()
        recorder = self.telemetry.recorder
        for source in made:
            for handle in source.handles(recorder):
                self.router.add(handle)
        self.telemetry.metrics.serving(self.router.names)
        self.telemetry.metrics.add_source(PredictedWait(lambda: self.router.handles))
        server = settings.server
        self.admission = Admission(recorder, max_queue=server.max_queue, load_wait_s=server.load_wait_s)
        self.asgi = self._application()

    def _telemetry(self) -> TelemetryStack:
        options = telemetry_options(self.settings, self._env, self.base_url)
        return TelemetryStack(options, lambda: self.router.names, more_sinks=[self.announcer])

    @property
    def base_url(self) -> str:
        """Where clients reach the gateway."""
        ip, port = self.address.reached_at
        if self.settings.server.host == "localhost":
            return f"http://localhost:{port}"
        return f"http://[{ip}]:{port}" if ":" in ip else f"http://{ip}:{port}"

    async def start(self) -> None:
        """Start telemetry and the engines; returns while the store opens and models load."""
        await self.telemetry.start()
        for handle in self.router.handles:
            handle.start()
        gc.collect()
        # else a full collection goes over all that is loaded, and stops every stream for tens of milliseconds
        gc.freeze()

    async def stop(self) -> None:
        """Let running requests finish within the deadline, then stop engines and write what telemetry
        holds.
        """
        self.admission.close()
        deadline = time.monotonic() + self.settings.server.shutdown_s
        busy = bool(self.telemetry.live.running())
        while self.telemetry.live.running() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await asyncio.gather(*(handle.stop(ENGINE_STOP_S) for handle in self.router.handles))
        if busy:
            await asyncio.sleep(0.1)  # the last frames leave before their connections are closed
        self.asgi.close()

    def _application(self) -> ExchangeMiddleware:
        server = self.settings.server
        serving = Serving(self.telemetry.recorder, self.admission, self.router, server.request_timeout_s)
        provided: dict[str, Any] = {
            "serving": serving,
            "router": self.router,
            "bodies": BodyReader(_body_limits(self.settings.server)),
            "started_at": int(time.time()),
            "store_health": self.telemetry.store_health,
            "metrics_page": self.telemetry.metrics.render,
            "slo_reports": lambda: self.telemetry.slo.reports,
            "stats_source": StatsSource(
                self.telemetry.reader, ContextBuckets(self.settings.telemetry.context_buckets).labels
            ),
        }
        self.litestar = Litestar(
            route_handlers=[
                *(route for dialect in self._dialects.all for route in routes_of(dialect)),
                healthz,
                readyz,
                metrics,
                stats,
                slo,
                _home,
                self._dashboard(),
            ],
            dependencies={name: _provide(value) for name, value in provided.items()},
            exception_handlers={
                ApiError: api_error,
                HTTPException: self._http_error,
                Exception: unexpected_error,
            },
            openapi_config=OpenAPIConfig(title="firsttoken", version=version("firsttoken"), path="/schema"),
            logging_config=None,
            request_max_body_size=None,
        )
        guarded = GuardMiddleware(
            self.litestar,
            own=(self.address.ip, server.host),
            allowed_hosts=server.allowed_hosts,
            allowed_origins=server.allowed_origins,
            dialects=self._dialects,
            page=lambda path, accept, error: refusal_page(
                path, accept, error.code, error.message, self.base_url
            ),
        )
        return ExchangeMiddleware(
            MethodsMiddleware(guarded),
            self.telemetry.recorder,
            self.telemetry.metrics,
            self._dialects,
            self.admission.ended,
        )

    def _http_error(self, request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        """What no route handles is told as the rest of its part of the site tells errors."""
        error.headers = allowing_head(error.headers or {})
        under_dashboard = (request.url.path + "/").startswith(f"{DASHBOARD}/")
        return (
            ErrorPages(version("firsttoken")).refused(request, error)
            if under_dashboard
            else http_error(request, error)
        )

    def _dashboard(self) -> Any:
        return dashboard_router(
            DashboardDeps(
                reader=self.telemetry.reader,
                live=self.telemetry.live,
                health=GatewayHealth(
                    lambda: [handle.status for handle in self.router.handles],
                    self.telemetry,
                    self.settings.home,
                ),
                buckets=ContextBuckets(self.settings.telemetry.context_buckets),
                objectives=lambda: self.telemetry.slo.reports,
                energy=lambda: self.telemetry.energy.report,
                prices=self.telemetry.prices,
                base_url=lambda: self.base_url,
                version=version("firsttoken"),
                settings=shown_settings(self.settings, self._env),
                content_kept=self.settings.capture.content,
            )
        )


def _body_limits(server: ServerSettings) -> BodyLimits:
    return BodyLimits(
        server.max_body_bytes, server.body_timeout_s, server.max_bodies, server.max_bodies_bytes
    )


@get("/", include_in_schema=False)
async def _home() -> Redirect:
    return Redirect("/dashboard")


def _provide(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


async def run(gateway: Gateway) -> int:
    """Serve until a stop signal; returns the exit code."""
    stop = asyncio.Event()
    try:
        with on_stop_signal(stop.set):
            await gateway.start()
            try:
                await _serve_until(stop, gateway)
            except AddressError as error:
                gateway.announcer.say("failed", str(error))
                await gateway.stop()
                return 1
    finally:
        await gateway.telemetry.stop(gateway.settings.store.shutdown_s)
    return 0 if stop.is_set() else 1


async def _serve_until(stop: asyncio.Event, gateway: Gateway) -> None:
    """Listen until the stop signal, or until the HTTP server ends by itself."""
    async with listening(gateway.asgi, gateway.address) as server:
        gateway.announcer.say("listening", f"listening on {gateway.base_url}")
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({waiting, server}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if stop.is_set():
            gateway.announcer.say("stopping", "stopping: running requests may finish")
        else:
            gateway.announcer.say("failed", ending(server))
        await gateway.stop()


def serve(settings: Settings, env: Mapping[str, str], announce: Announce) -> int:
    """Build a gateway and run it; the whole life of `firsttoken serve`."""
    try:
        gateway = Gateway(settings, env, announce)
    except (AddressError, ModelFileError) as error:
        Announcer(announce, None, []).say("failed", str(error))
        return 1
    return asyncio.run(run(gateway))
