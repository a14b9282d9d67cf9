"""The dashboard's routes under `/dashboard`, and what all of their answers share: security headers and error pages."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from litestar import Response, Router, get
from litestar.di import Provide
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.params import FromPath

from dashboard.assets import static_file
from dashboard.deps import DashboardDeps
from dashboard.layout import ErrorContext, Layout
from dashboard.pages.cache.view import cache
from dashboard.pages.conversations.view import conversation, conversations
from dashboard.pages.health.view import health
from dashboard.pages.latency.view import latency
from dashboard.pages.live.view import live
from dashboard.pages.models.view import models
from dashboard.pages.overview.view import overview
from dashboard.pages.playground.view import playground
from dashboard.pages.request.view import request_page
from dashboard.pages.requests.view import requests
from dashboard.pages.settings.view import settings
from dashboard.render import PageRequest, respond
from telemetry.logs.events import event

log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


PATH = "/dashboard"


@dataclass(frozen=True, slots=True)
class ErrorPages:
    """What goes wrong under `/dashboard`, as pages; also what the application itself refuses there, such as a method."""

    version: str

    def refused(self, request: PageRequest, error: HTTPException) -> Response[str]:
        """An address, a parameter or a method that there is not."""
        return self._page(request, error.status_code, error.detail, error.headers or {})

    def failed(self, request: PageRequest, error: Exception) -> Response[str]:
        """A defect of ours: logged with its trace, told without it."""
        log.error("unexpected error on %s %s", request.method, request.url.path, exc_info=error, extra=event("dashboard.unexpected_error"))
        return self._page(request, 500, "The gateway failed on this page; its log says why.", {})

    def _page(self, request: PageRequest, status: int, detail: str, headers: Mapping[str, str]) -> Response[str]:
        layout = Layout(_heading(status), "", "", self.version, status)
        response = respond(request, "error.html", layout, ErrorContext(_heading(status), detail))
        response.headers.update(headers)
        return secured(response)


def dashboard_router(deps: DashboardDeps) -> Router:
    """All pages, to be mounted on the application as it is (its path is `/dashboard`)."""
    errors = ErrorPages(deps.version)
    return Router(
        path=PATH,
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
        before_request=refuse_unstorable,
        after_request=secured,
        exception_handlers={HTTPException: errors.refused, Exception: errors.failed},
    )


async def refuse_unstorable(request: PageRequest) -> None:
    """A NUL is in nothing that is stored, and PostgreSQL fails on a comparison with one.

    Raises:
        ClientException: there is one in the address.
    """
    if "\0" in unquote(request.url.path) or "\0" in unquote(request.url.query):
        raise ClientException("The address has a NUL character in it.")


def secured(response: Response[Any]) -> Response[Any]:
    """Adds the security headers."""
    response.headers.update(SECURITY_HEADERS)
    return response


@get("/{rest:path}", include_in_schema=False)
async def elsewhere(rest: FromPath[str]) -> None:
    """Every other address under `/dashboard`."""
    raise NotFoundException(f"There is no page /dashboard{rest}.")


def _heading(status: int) -> str:
    headings = {
        400: "That address does not work",
        404: "Nothing here",
        405: "That address cannot do this",
        500: "That page failed",
    }
    return headings.get(status, "That did not work")
