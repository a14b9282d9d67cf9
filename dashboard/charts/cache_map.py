"""The cache map of one prompt: its messages, what the cache supplied, and where it parted from known ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from telemetry.events import Scalar


@dataclass(frozen=True, slots=True)
class MessageBar:
    """One message on the bar; positions are percent of the prompt."""

    index: int
    role: str
    tokens: int
    cached: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class CacheMap:
    """A prompt of `tokens` tokens; `divergence` (percent) is where it parts from a known one, or None."""

    tokens: int
    cached: int
    messages: tuple[MessageBar, ...]
    divergence: float | None
    divergence_token: int | None
    divergence_message: int | None

    @property
    def cached_width(self) -> float:
        """Percent of the prompt that was cached."""
        return 100 * self.cached / self.tokens

    @property
    def parted(self) -> str:
        """The place where the prompt parted, in words, or ''."""
        if self.divergence_token is None or self.divergence_message is None:
            return ""
        roles = {bar.index: f" ({bar.role})" for bar in self.messages if bar.role}
        role = roles.get(self.divergence_message, "")
        return f"message {self.divergence_message + 1}{role}, token {self.divergence_token + 1}"


def cache_map(attributes: Mapping[str, Scalar]) -> CacheMap | None:
    """The map from the attributes of a cache lookup; None where they lack the messages, or what was found."""
    spans = [part.rpartition(":") for part in str(attributes.get("messages", "")).split()]
    ends = [(role, int(end)) for role, _, end in spans if end.isdigit()]
    tokens = ends[-1][1] if ends else 0
    if tokens <= 0 or "matched" not in attributes:
        return None
    cached = min(tokens, int(attributes.get("matched", 0)))
    bars, start = [], 0
    for index, (role, end) in enumerate(ends):
        bar = MessageBar(
            index=index,
            role=role,
            tokens=end - start,
            cached=max(0, min(cached, end) - start),
            x=100 * start / tokens,
            width=100 * (end - start) / tokens,
        )
        bars.append(bar)
        start = end
    token = _index(attributes.get("divergence_token"))
    return CacheMap(
        tokens=tokens,
        cached=cached,
        messages=tuple(bars),
        divergence=None if token is None else min(100.0, 100 * token / tokens),
        divergence_token=token,
        divergence_message=_index(attributes.get("divergence_message")),
    )


def _index(value: Scalar | None) -> int | None:
    return None if value is None else int(value)
