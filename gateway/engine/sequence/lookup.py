"""The cache lookup of a sequence: what the prefix cache may do for it, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.engine.cache.entry import Holder, Origin
from gateway.engine.cache.reasons import Comparison
from gateway.engine.cache.spans import MessageSpan
from gateway.engine.protocol import Timing
from telemetry.events import CacheReason, CacheSource, Phase, Scalar

NO_ORIGIN = Origin()
NOT_COMPARED = Comparison(CacheReason.DISABLED)


@dataclass(slots=True, kw_only=True)
class Lookup:
    """Of a prompt that comes from `origin`; one that is not `cacheable` neither uses the cache nor stays in
    it.

    Times are monotonic nanoseconds; `read_ns` is when state was read from the tier `read_from`, before it was
    queued, and `restore_ns` when state was copied into its slot; `expected` are the tokens that were there
    when the request came. What is found (`matched` tokens of a `source`) is decided with the slot: until then
    a request that may use the cache has no `reason`.
    """

    origin: Origin = NO_ORIGIN
    cacheable: bool = False
    start_ns: int = 0
    end_ns: int = 0
    comparison: Comparison = NOT_COMPARED
    spans: list[MessageSpan] = field(default_factory=list)
    expected: int = 0
    matched: int = 0
    source: CacheSource = CacheSource.NONE
    reason: CacheReason | None = CacheReason.DISABLED
    read_ns: tuple[int, int] | None = None
    read_from: Holder | None = None
    read_bytes: int = 0
    restore_ns: tuple[int, int] | None = None
    restore_bytes: int = 0
    more: dict[str, Scalar] = field(default_factory=dict)

    @property
    def read_source(self) -> CacheSource | None:
        """The source that a state which was read before tells; None if there was none."""
        return self.read_from.source if self.read_from is not None and self.read_bytes else None

    def timings(self) -> list[Timing]:
        """The phases cache_lookup and, if a tier was read, cache_restore: once for the disk and once for the
        slot.
        """
        timings = [Timing(Phase.CACHE_LOOKUP, self.start_ns, self.end_ns, self._attributes())]
        if self.read_ns is not None and self.read_from is not None:
            read: dict[str, Scalar] = {"bytes": self.read_bytes, "source": self.read_from.name}
            timings.append(Timing(Phase.CACHE_RESTORE, *self.read_ns, read))
        if self.restore_ns is not None:
            source = CacheSource.RAM if self.source is self.read_source else self.source
            restored: dict[str, Scalar] = {"bytes": self.restore_bytes, "source": str(source)}
            restored["tokens"] = self.matched
            timings.append(Timing(Phase.CACHE_RESTORE, *self.restore_ns, restored))
        return timings

    def _attributes(self) -> dict[str, Scalar]:
        """Of the phase cache_lookup."""
        attributes: dict[str, Scalar] = {}
        if self.reason is not None:
            attributes |= {"matched": self.matched, "source": str(self.source), "reason": str(self.reason)}
        if self.comparison.divergence_token is not None:
            attributes["divergence_token"] = self.comparison.divergence_token
        if self.comparison.divergence_message is not None:
            attributes["divergence_message"] = self.comparison.divergence_message
        if self.comparison.nearest:
            attributes["nearest"] = self.comparison.nearest
        if self.spans:
            attributes["messages"] = " ".join(f"{span.role}:{span.end}" for span in self.spans)
        return attributes | self.more
