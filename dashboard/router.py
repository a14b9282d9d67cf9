"""The dashboard's routes under `/dashboard`, and what all of their answers share: security headers and error pages."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import Provide
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath

from dashboard.assets import static_file
from dashboard.contexts import ErrorContext, Layout
from dashboard.deps import DashboardDeps
from dashboard.pages.cache import cache
from dashboard.pages.conversations import conversation, conversations
from dashboard.pages.health import health
from dashboard.pages.latency import latency
from dashboard.pages.live import live
from dashboard.pages.models import models
from dashboard.pages.overview import overview
from dashboard.pages.playground import playground
from dashboard.pages.request import request_page
from dashboard.pages.requests import requests
from dashboard.pages.settings import settings
from dashboard.render import respond

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


def dashboard_router(deps: DashboardDeps) -> Router:
    """All pages, to be mounted on the application as it is (its path is `/dashboard`)."""

    def error_page(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
        layout = Layout(_heading(error.status_code), "", "", deps.version, error.status_code)
        response = respond(request, "error.html", layout, ErrorContext(_heading(error.status_code), error.detail))
        return secured(response)

    return Router(
        path="/dashboard",
        route_handlers=[
            overview,
            latency,
            requests,
            request_page,
            models,
            cache,
            live,
            health,
            settings,
            conversations,
            conversation,
            playground,
            static_file,
            elsewhere,
        ],
        dependencies={"deps": Provide(lambda: deps, sync_to_thread=False)},
        after_request=secured,
        exception_handlers={HTTPException: error_page},
    )


def secured(response: Response[Any]) -> Response[Any]:
    """Adds the security headers."""
    response.headers.update(SECURITY_HEADERS)
    return response


@get("/{rest:path}", include_in_schema=False)
async def elsewhere(rest: FromPath[str]) -> None:
    """Every other address under `/dashboard`."""
    raise NotFoundException(f"There is no page /dashboard{rest}.")


def _heading(status: int) -> str:
    return {400: "That address does not work", 404: "Nothing here", 405: "That address cannot do this"}.get(status, "That did not work")
