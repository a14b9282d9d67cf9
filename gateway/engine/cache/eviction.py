"""What is evicted first: bytes weighed against seconds of prefill saved."""

from __future__ import annotations

from gateway.engine.cache.entry import Entry

AGE_OFFSET_S = 30.0
"""Ages are compared with this much added, so that an entry of seconds ago does not outweigh one of a minute
ago.
"""


def value(entry: Entry, own_tokens: int, size_bytes: int, now_ns: int) -> tuple[bool, bool, float]:
    """The worth of a stored prefix, to be compared with others': the least goes first.

    It is the prefill that only this entry saves (`own_tokens` that no other has, as often as it was used),
    per byte and by age; whatever that is, pinned entries go last and background ones first.
    """
    age_s = max(AGE_OFFSET_S, (now_ns - entry.used_ns) / 1e9 + AGE_OFFSET_S)
    saved = own_tokens * (1 + entry.uses) / max(1, size_bytes) / age_s
    return entry.pinned, not entry.origin.background, saved
