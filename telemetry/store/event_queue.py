"""The queue of the store: events that wait to be written, and what was said in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from telemetry.content import Content
from telemetry.record import RequestRecord
from telemetry.speed_change import SpeedChange
from telemetry.store.batch import EventBatch
from telemetry.store.contents import Capture
from telemetry.store.rows import Row

MAX_BATCH = 1000
"""Events per transaction."""

MAX_BATCH_CONTENTS = 100
"""Contents per transaction: each is redacted and compressed first, and other events wait for it."""

Event = Row | RequestRecord | SpeedChange
"""The row of an admitted request, the record of a completed one, or a change of speed."""

Refused = Callable[[RequestRecord | None, Exception], None]
"""Called with what can be in no batch (None: no record), and why."""


class EventQueue:
    """Filled on the gateway's event loop, emptied on the writer's thread. Contents are kept only with a
    `capture`.
    """

    def __init__(self, capture: Capture | None) -> None:
        self._capture = capture
        self._events: deque[Event] = deque()
        self._contents: dict[int, Content] = {}

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: Event) -> None:
        """Let an event wait."""
        self._events.append(event)

    def admits_content(self, record: RequestRecord) -> bool:
        """Let the content of a completed request wait beside its record, which is without it afterwards;
        False where there is no room for it.
        """
        if self._capture is None or record.content is None:
            return True
        admitted = self._capture.admit(record.content)
        if admitted:
            self._contents[record.seq] = record.content
        return admitted

    def clear(self) -> None:
        """Forget all events."""
        self._events.clear()

    def take(self, refused: Refused) -> EventBatch:
        """The next batch, empty where nothing waits."""
        batch = EventBatch()
        for _ in range(min(MAX_BATCH, len(self._events))):
            try:
                event = self._events.popleft()
            except IndexError:  # the queue was cleared meanwhile
                break
            try:
                batch.add(event)
                self._add_content(batch, event)
            except Exception as error:
                refused(event if isinstance(event, RequestRecord) else None, error)
            if len(batch.contents) >= MAX_BATCH_CONTENTS:
                break
        return batch

    def _add_content(self, batch: EventBatch, event: Event) -> None:
        """Where the content of a completed request fails, the request itself is in the batch already."""
        if self._capture is None or not isinstance(event, RequestRecord):
            return
        if (content := self._contents.pop(event.seq, None)) is not None:
            batch.contents[event.seq] = self._capture.encode(content)
