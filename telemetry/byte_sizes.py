"""Bytes as people read them, on every surface in the same
units: KiB, MiB, GiB and TiB, each 1024 of the one before.
"""

from __future__ import annotations

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
"""The only units of bytes that are shown (a test looks through what is rendered)."""


def byte_size(value: float) -> str:
    """98.4 MiB."""
    amount, unit = float(value), 0
    while abs(amount) >= 1024 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f} {UNITS[unit]}" if unit else f"{amount:.0f} B"
