"""Panels that wait for a part of the product that is not there yet."""

from __future__ import annotations

AWAITING: dict[str, str] = {
    "Evictions": "no prefix cache yet: nothing records firsttoken.prefix_cache.evictions",
    "Cache size": "no prefix cache yet: nothing records firsttoken.prefix_cache.bytes",
    "Cached prefixes": "no prefix cache yet: nothing records firsttoken.prefix_cache.entries",
    "Draft tokens accepted": "no speculative decoding yet: firsttoken.engine.tokens has no phase draft or accepted",
}
"""Title of the panel → why it has no data. A test fails for an entry whose panel has data, so that the list only shrinks."""
