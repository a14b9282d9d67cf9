"""Links between the traces of requests that waited for each
other: from the one that waited, and from the one it waited for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from opentelemetry.trace import Link, SpanContext

from telemetry import semconv as names
from telemetry.events import DelayCause, Phase, PhaseTiming, RequestDelay
from telemetry.record import RequestRecord
from telemetry.tracing.context import span_context

MAX_LINKS = 8
"""Links of one kind on a span."""

MAX_REMEMBERED = 4096
"""Requests, running and recent, that can be linked to: one
waits longest for those that have ended by the time it starts.
"""

IN_QUEUE = frozenset({DelayCause.SLOTS, DelayCause.KV})
"""Causes that a request waits for in the queue; others delay its prompt or its answer."""


class SpanLinks:
    """Remembers the traces of requests, and finds those that a phase's span links to."""

    def __init__(self) -> None:
        self._recent: OrderedDict[int, SpanContext] = OrderedDict()

    def remember(self, record: RequestRecord) -> None:
        """Others may link to this request from now on."""
        self._recent[record.seq] = span_context(record.trace)
        while len(self._recent) > MAX_REMEMBERED:
            self._recent.popitem(last=False)

    def of_phase(self, record: RequestRecord, timing: PhaseTiming) -> list[Link]:
        """Of a queue span, to whom it waited for and to the holders of the slots
        when it came; of a decode span (of the prefill span where there is none),
        to whom else it waited for; of a prefill span, to whom it held up.
        """
        if timing.phase is Phase.QUEUE:
            return self._queue(record, timing)
        links: list[Link] = []
        if timing.phase is (Phase.PREFILL if record.phase(Phase.DECODE) is None else Phase.DECODE):
            links += self._delays(
                (delay for delay in record.delayed_by if delay.cause not in IN_QUEUE), "held_up_by"
            )
        if timing.phase is Phase.PREFILL:
            links += self._delays(record.delayed, "held_up")
        return links

    def contexts(self, seqs: Iterable[str]) -> list[SpanContext]:
        """The traces of some requests, as far as they are remembered."""
        return [self._recent[int(seq)] for seq in seqs if seq.isdigit() and int(seq) in self._recent][
            :MAX_LINKS
        ]

    def _queue(self, record: RequestRecord, timing: PhaseTiming) -> list[Link]:
        waited = [delay for delay in record.delayed_by if delay.cause in IN_QUEUE]
        linked = {delay.seq for delay in waited}
        holders = [
            int(holder) for holder in str(timing.attributes.get("holders", "")).split(",") if holder.isdigit()
        ]
        others = [Link(self._recent[seq]) for seq in holders if seq in self._recent and seq not in linked]
        return [*self._delays(waited, "held_up_by"), *others][:MAX_LINKS]

    def _delays(self, delays: Iterable[RequestDelay], direction: str) -> list[Link]:
        known = ((delay, self._recent.get(delay.seq or 0)) for delay in delays)
        return [
            Link(context, _attributes(delay, direction)) for delay, context in known if context is not None
        ][:MAX_LINKS]


def _attributes(delay: RequestDelay, direction: str) -> dict[str, str | float]:
    return {
        names.DELAY_DIRECTION: direction,
        names.DELAY_CAUSE: delay.cause.value,
        names.DELAY_DURATION_S: delay.total_ns / 1e9,
    }
