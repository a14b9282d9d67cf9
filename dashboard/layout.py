"""The frame around every page, and the page of an error: what their templates get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class Layout:
    """The values of the frame around every page, as `layout`."""

    title: Annotated[str, "The page's name, in the title and in its heading."]
    active: Annotated[str, "The key of the menu's entry that is this page's, or ''."]
    follow_url: Annotated[str, "The stream that keeps this page up to date, or ''."]
    version: Annotated[str, "firsttoken's version."]
    status: Annotated[int, "The HTTP status that the page is sent with."]


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """A page that could not be shown."""

    heading: Annotated[str, "What happened, in a few words."]
    detail: Annotated[str, "What it means and what to do."]


ERROR_TEMPLATE = "error.html"
"""The template that gets an `ErrorContext`."""
