"""The seam of the pages: a `Page` registers one, and a `PageView` is that page as one reader asked for it.

The route, the entry of the menu, the stream of blocks that follow along and the row in docs/dashboard.md
follow from the `Page`; `dashboard.catalog` lists them all.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dashboard.deps import DashboardDeps
from telemetry.store.queries.reading import StoreUnreadable

PATH = "/dashboard"

TYPE_OF_PARAMETER = re.compile(r":\w+}")

Query = Mapping[str, str]
"""The parameters of an address as typed: each that the page declares, '' where it is not given."""


class PageView(ABC):
    """A page as one reader asked for it, which can be shown now and again.

    As it stands here: nothing to read, always 200, and followed for as long as the reader stays.
    """

    __slots__ = ()

    @property
    def subject(self) -> str:
        """The one thing that the page is of, behind its title: an id, or ''."""
        return ""

    @property
    def status(self) -> int:
        """The HTTP status that the page is sent with, once it was refreshed."""
        return 200

    @property
    def stream_query(self) -> Query | None:
        """The parameters of the stream that keeps it up to date; None where nothing of it will change."""
        return {}

    @property
    def ended(self) -> bool:
        """True when nothing on the page will change any more."""
        return False

    async def refresh(self) -> None:  # noqa: B027 - a page of the present waits for nothing
        """Read what the page waits for."""

    @abstractmethod
    def context(self) -> object:
        """The template's context at this moment, without waiting for anything."""


@dataclass(slots=True, kw_only=True)
class StoreView(PageView):
    """A page of what is recorded; `error` says why the store could not be read, or ''."""

    error: str = ""

    async def refresh(self) -> None:
        """Read the store again; a failure is kept for the page to tell."""
        try:
            await self.read()
            self.error = ""
        except StoreUnreadable as error:
            self.error = str(error)

    @abstractmethod
    async def read(self) -> None:
        """Read the store.

        Raises:
            StoreUnreadable: it could not be read.
        """


OpenView = Callable[[DashboardDeps, Query], PageView]
"""Opens a page for one reader; raises ClientException for a parameter that cannot be meant."""


@dataclass(frozen=True, slots=True)
class Page:
    """The registration of one page.

    `key` names its template (`<key>.html`, in `folder`), its entry in the menu and its stream (`view=<key>`).
    `path` is below `/dashboard`, with parameters as Litestar writes them (`/requests/{request_id:str}`).
    """

    key: str
    title: str
    path: str
    about: str
    """Its row in docs/dashboard.md: what it shows."""
    folder: Path
    context: type
    """The dataclass that its template gets as `page`."""
    view: OpenView
    parameters: tuple[str, ...] = ()
    """Every name that its address may have, in the path or behind the question mark."""
    blocks: tuple[str, ...] = ()
    """Blocks of the template that follow along, each with an element of this id as its root; () for none."""
    entry: str = ""
    """The key of the menu's entry under which it stands, for a page that the menu does not list; else ''."""

    @property
    def template(self) -> str:
        """The name of its template."""
        return f"{self.key}.html"

    @property
    def url(self) -> str:
        """Its address; parameters of the path are in braces."""
        return f"{PATH}{TYPE_OF_PARAMETER.sub('}', self.path)}".rstrip("/")

    @property
    def listed(self) -> bool:
        """True where the menu lists it."""
        return not self.entry
