"""The page for a browser that is turned away at the door: it can load nothing else, so it is in one piece."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import Template
from markupsafe import Markup

from dashboard.assets import assets
from dashboard.render import environment
from telemetry.accept import names

PATHS = ("/", "/dashboard")
"""Addresses that are pages, with what is below the second."""

LOCAL = ("http://127.", "http://localhost", "http://[::1]")

HEADINGS = {"host_not_allowed": "This name is not answered", "origin_not_allowed": "Not from that page"}


def refusal_page(
    path: str,
    accept: str,
    code: str,
    detail: str,
    address: str,
) -> tuple[bytes, dict[str, str]] | None:
    """The page and its headers; None where JSON serves better: the API's addresses, and clients without HTML.

    `address` is where the dashboard is answered. The name that was asked for is in `detail` only, as text.
    """
    if not (path in PATHS or path.startswith("/dashboard/")) or not names(accept, "text/html"):
        return None
    heading = HEADINGS.get(code, "Refused")
    local = address.startswith(LOCAL)
    css = Markup(_css())  # noqa: S704 - our own file
    html = _template().render(heading=heading, detail=detail, address=address, local=local, css=css)
    sources = f"default-src 'none'; style-src 'sha256-{_css_digest()}'"
    policy = f"{sources}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
        "vary": "Accept",
    }
    return html.encode(), headers


@cache
def _template() -> Template:
    return environment(()).get_template("refused.html")


@cache
def _css() -> str:
    return assets()["app.css"].content.decode()


@cache
def _css_digest() -> str:
    return base64.b64encode(hashlib.sha256(_css().encode()).digest()).decode()
