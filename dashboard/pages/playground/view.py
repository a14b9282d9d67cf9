"""`/dashboard/playground`: a chat with this gateway's own API. The page sends nothing itself: the browser's script does."""

from __future__ import annotations

from litestar import Response, get

from dashboard.deps import Deps
from dashboard.layout import Layout
from dashboard.pages.playground.context import PlaygroundContext
from dashboard.render import PageRequest, respond
from dashboard.words.curl import curl
from telemetry.events import EngineState


@get("/playground", include_in_schema=False)
async def playground(request: PageRequest, deps: Deps) -> Response[str]:
    """The chat form."""
    engines = sorted(deps.live.engines(), key=lambda engine: engine.status.state is not EngineState.READY)
    models = tuple(engine.status.model for engine in engines)
    page = PlaygroundContext(models, deps.health.readiness().ready, curl(deps.base_url(), models[0] if models else None))
    return respond(request, "playground.html", Layout("Playground", "playground", "", deps.version, 200), page)
