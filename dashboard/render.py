"""Templates to HTML: whole pages, or only the named block that an htmx request asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.enums import MediaType

from dashboard.assets import asset_url
from dashboard.charts.timeline import PHASE_LABELS
from dashboard.layout import Layout
from dashboard.page import Page
from dashboard.words import explain, formats

FRAME = Path(__file__).parent / "templates"
"""The templates that all pages share: the frame around them, macros, and parts that several include."""

MACROS = {
    "ui": "macros.html",
    "lists": "list_macros.html",
    "lanes": "lane_macros.html",
    "heat": "heat_macros.html",
    "chart": "chart_macros.html",
}
"""Name in templates → the file whose macros it holds."""

PageRequest = Request[Any, Any, Any]

CONTENT_BLOCK = "content"
"""The block that an htmx request gets: everything between the menu and the foot."""


def environment(pages: Sequence[Page]) -> Environment:
    """A Jinja2 environment for these pages: everything is escaped, an unknown name is an error.

    The templates of all pages have one name space: a name is there once.
    """
    made = Environment(
        loader=FileSystemLoader([FRAME, *dict.fromkeys(page.folder for page in pages)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(formats.FILTERS)
    made.globals.update(
        asset_url=asset_url,
        percent=formats.percent,
        phase_labels=PHASE_LABELS,
        explain=explain,
        menu=tuple(page for page in pages if page.listed),
        form_ms=formats.milliseconds,
        form_rate=formats.rate,
    )
    for name, template in MACROS.items():
        made.globals[name] = made.get_template(template).module
    return made


class Renderer:
    """The templates of a list of pages."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._environment = environment(pages)

    def page(self, template: str, layout: Layout, context: object) -> str:
        """A whole page."""
        return self._environment.get_template(template).render(layout=layout, page=context)

    def block(self, template: str, block: str, context: object, layout: Layout | None = None) -> str:
        """One named block of a page's template."""
        found = self._environment.get_template(template)
        values = found.new_context({"page": context, "layout": layout})
        return "".join(found.blocks[block](values)).strip()

    def respond(self, request: PageRequest, template: str, layout: Layout, context: object) -> Response[str]:
        """The page, or its content block for htmx; one URL gives both, so caches must tell them apart."""
        headers = {"cache-control": "no-store", "vary": "HX-Request, Accept"}
        html = self._html(request, template, layout, context)
        return Response(html, media_type=MediaType.HTML, status_code=layout.status, headers=headers)

    def _html(self, request: PageRequest, template: str, layout: Layout, context: object) -> str:
        if wants_block(request):
            return self.block(template, CONTENT_BLOCK, context, layout)
        return self.page(template, layout, context)


@cache
def renderer(pages: tuple[Page, ...]) -> Renderer:
    """The renderer of these pages; the same one each time."""
    return Renderer(pages)


def wants_block(request: PageRequest) -> bool:
    """True when htmx asks for a part of the page; a restored history entry wants the whole."""
    headers = request.headers
    return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"
