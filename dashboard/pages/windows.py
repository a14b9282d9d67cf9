"""The window that a page's statistics cover, from its address."""

from __future__ import annotations

from litestar.exceptions import ClientException

from telemetry.store.queries.windows import WINDOWS, Window


def chosen_window(key: str, default: str) -> Window:
    """The window of a `window=` parameter; '' is the default.

    Raises:
        ClientException: there is no such window.
    """
    window = WINDOWS.get(key or default)
    if window is None:
        raise ClientException(f"There is no window {key[:50]!r}: choose one of {', '.join(WINDOWS)}.")
    return window
