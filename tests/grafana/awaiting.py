"""Panels that wait for a part of the product that is not there yet."""

from __future__ import annotations

AWAITING: dict[str, str] = {}
"""Title of the panel → why it has no data. A test fails for an entry whose panel has data, so that the list only shrinks."""
