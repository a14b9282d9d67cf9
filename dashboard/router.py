"""The router of `/dashboard`, and what all of its answers share: security headers and error pages."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from litestar import Response, Router, get
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.params import FromPath

from dashboard.assets import static_file
from dashboard.catalog import PAGES
from dashboard.deps import DashboardDeps
from dashboard.layout import ERROR_TEMPLATE, ErrorContext, Layout
from dashboard.page import PATH, Page
from dashboard.render import PageRequest, renderer
from dashboard.routes import PageRoutes
from telemetry.logs.events import event

log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class ErrorPages:
    """The pages of errors under `/dashboard`, also of what the application itself refuses there."""

    version: str
    pages: tuple[Page, ...] = PAGES

    def refused(self, request: PageRequest, error: HTTPException) -> Response[str]:
        """An address, a parameter or a method that there is not."""
        return self._page(request, error.status_code, error.detail, error.headers or {})

    def failed(self, request: PageRequest, error: Exception) -> Response[str]:
        """A defect of ours: logged with its trace, told without it."""
        kind = event("dashboard.unexpected_error")
        log.error("unexpected error on %s %s", request.method, request.url.path, exc_info=error, extra=kind)
        return self._page(request, 500, "The gateway failed on this page; its log says why.", {})

    def _page(
        self,
        request: PageRequest,
        status: int,
        detail: str,
        headers: Mapping[str, str],
    ) -> Response[str]:
        layout = Layout(_heading(status), "", "", self.version, status)
        context = ErrorContext(_heading(status), detail)
        response = renderer(self.pages).respond(request, ERROR_TEMPLATE, layout, context)
        response.headers.update(headers)
        return secured(response)


def dashboard_router(deps: DashboardDeps, pages: tuple[Page, ...] = PAGES) -> Router:
    """All pages, to be mounted on the application as it is (its path is `/dashboard`)."""
    errors = ErrorPages(deps.version, pages)
    return Router(
        path=PATH,
        route_handlers=[*PageRoutes(deps, pages).routes(), static_file, elsewhere],
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
