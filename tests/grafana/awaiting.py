"""Metrics that dashboards and rules already ask for and that the product does not have yet."""

from __future__ import annotations

AWAITED: dict[str, str] = {}
"""Name (a histogram's without its suffix) → why. A test fails for an entry that exists, so that the list
only shrinks.
"""
