"""The log-probabilities of tokens whose text is not told yet."""

from __future__ import annotations

from collections import deque

from gateway.sampling import ChosenLogprob


class LogprobTrail:
    """Keeps them in order, each with the place in the answer's text (in characters) where its token begins.

    Text is held back while it may become a stop string, and a character may take several tokens. A token is
    told with the first character of its text, so those of an answer's pieces are those of its text, and each
    is told once; tokens of a stop string that was cut off are never told.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[int, ChosenLogprob]] = deque()

    def add(self, start: int, logprob: ChosenLogprob) -> None:
        """A token was sampled whose text begins there."""
        self._kept.append((start, logprob))

    def told(self, shown: int) -> list[ChosenLogprob]:
        """Those that go with the first `shown` characters of the answer and were not told yet."""
        told = []
        while self._kept and self._kept[0][0] < shown:
            told.append(self._kept.popleft()[1])
        return told

    def rest(self) -> list[ChosenLogprob]:
        """All that is left, at the end of an answer that was not cut: tokens without any text."""
        told = [logprob for _, logprob in self._kept]
        self._kept.clear()
        return told
