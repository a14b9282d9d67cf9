"""Templates to HTML: whole pages, or only the named block that an htmx request asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from litestar import Request, Response
from litestar.enums import MediaType

from dashboard.assets import asset_url
from dashboard.charts.timeline import PHASE_LABELS
from dashboard.layout import Layout
from dashboard.navigation import NAVIGATION
from dashboard.pages.models.kv_quality import KV_QUALITY
from dashboard.words import explain, formats

HERE = Path(__file__).parent

TEMPLATES = (HERE / "templates", *sorted(path for path in (HERE / "pages").iterdir() if path.is_dir()))
"""Where templates are: those of all pages, and each page's own beside it. A name is there once."""

PageRequest = Request[Any, Any, Any]

CONTENT_BLOCK = "content"
"""What an htmx request gets: everything between the navigation and the foot."""


@cache
def environment() -> Environment:
    """The one Jinja2 environment: everything is escaped, an unknown name is an error."""
    made = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters.update(formats.FILTERS)
    made.globals.update(
        asset_url=asset_url,
        percent=formats.percent,
        phase_labels=PHASE_LABELS,
        explain=explain,
        navigation=NAVIGATION,
        kv_quality=KV_QUALITY,
        form_ms=formats.milliseconds,
        form_rate=formats.rate,
    )
    made.globals["ui"] = made.get_template("macros.html").module
    made.globals["lanes"] = made.get_template("lane_macros.html").module
    made.globals["heat"] = made.get_template("heat_macros.html").module
    made.globals["chart"] = made.get_template("chart_macros.html").module
    return made


def page_html(template: str, layout: Layout, page: object) -> str:
    """A whole page."""
    return environment().get_template(template).render(layout=layout, page=page)


def block_html(template: str, block: str, page: object, layout: Layout | None = None) -> str:
    """One named block of a page's template."""
    found: Template = environment().get_template(template)
    context = found.new_context({"page": page, "layout": layout})
    return "".join(found.blocks[block](context)).strip()


def wants_block(request: PageRequest) -> bool:
    """True when htmx asks for a part of the page; a restored history entry wants the whole."""
    headers = request.headers
    return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"


def respond(request: PageRequest, template: str, layout: Layout, page: object) -> Response[str]:
    """The page, or its content block for htmx; the same URL gives both, so caches must tell them apart."""
    html = block_html(template, CONTENT_BLOCK, page, layout) if wants_block(request) else page_html(template, layout, page)
    headers = {"cache-control": "no-store", "vary": "HX-Request, Accept"}
    return Response(html, media_type=MediaType.HTML, status_code=layout.status, headers=headers)
