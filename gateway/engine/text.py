"""Tokens → text: incremental UTF-8 that never emits half a character, and stop strings that never leak."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextAssembler:
    """Turns token pieces (bytes) into text, holding back what may still become a stop string.

    After `stopped` is True nothing more comes; the stop string and all behind it are dropped.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self.stopped = False
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
        text, self._held = text + self._held, ""
        return text

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        self._held += text
        cut = min((at for at in map(self._held.find, self._stop) if at >= 0), default=-1)
        if cut >= 0:
            self.stopped = True
            return self._take(cut)
        return self._take(len(self._held) - self._possible_stop())

    def _take(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
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
