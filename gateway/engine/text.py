"""Tokens → text: incremental UTF-8 that never emits half a character, and stop strings that never leak."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextAssembler:
    """Turns token pieces (bytes) into text, holding back what may still become a stop string.

    After `stopped` is True nothing more comes; what is behind the stop string is dropped, and so is the stop
    string, unless it is to be shown (`keep_stop`). `decoded` and `shown` count characters so far.
    """

    def __init__(self, stop: Sequence[str] = (), *, keep_stop: bool = False) -> None:
        self.stopped = False
        self.decoded = self.shown = 0
        self._keep_stop = keep_stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(text for text in stop if text)
        self._held = ""

    def push(self, piece: bytes) -> str:
        """Add a token's bytes; returns the text that is safe to show now."""
        return self._release(self._decoder.decode(piece))

    def finish(self) -> str:
        """The rest: what was held back, and U+FFFD for an unfinished character."""
        if self.stopped:
            return ""
        text = self._release(self._decoder.decode(b"", final=True))
        return text if self.stopped else text + self._take(len(self._held))

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        self._held += text
        self.decoded += len(text)
        places = ((self._held.find(stop), len(stop)) for stop in self._stop)
        found = min((place for place in places if place[0] >= 0), default=None)
        if found is not None:
            self.stopped = True
            return self._take(sum(found) if self._keep_stop else found[0])
        return self._take(len(self._held) - self._possible_stop())

    def _take(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        self.shown += len(shown)
        return shown

    def _possible_stop(self) -> int:
        """Characters at the end that could be the beginning of a stop string."""
        longest = 0
        for stop in self._stop:
            for size in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:size]):
                    longest = size
                    break
        return longest
