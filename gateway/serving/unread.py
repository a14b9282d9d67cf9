"""The log-probabilities of text that a reader has, and gave nothing out for yet; and all of an answer's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain

from gateway.sampling import ChosenLogprob
from gateway.serving.work import Delta, Scored

Logprobs = Sequence[ChosenLogprob]


class UnreadLogprobs:
    """Keeps them by where their text begins; `used` says whether there ever were any."""

    def __init__(self) -> None:
        self.used = False
        self._fed = self._read = 0
        self._kept: deque[tuple[int, Logprobs]] = deque()

    def add(self, text: str, logprobs: Logprobs) -> None:
        """The reader is given this text, with those of its tokens."""
        if logprobs:
            self.used = True
            self._kept.append((self._fed, logprobs))
        self._fed += len(text)

    def read(self, source: str) -> list[ChosenLogprob]:
        """Those of the pieces that begin in what the reader understood next."""
        self._read += len(source)
        found: list[ChosenLogprob] = []
        while self._kept and self._kept[0][0] < self._read:
            found += self._kept.popleft()[1]
        return found

    def rest(self) -> list[ChosenLogprob]:
        """Those that are left at the end."""
        return list(chain.from_iterable(logprobs for _, logprobs in self._kept))


def logprobs_of(deltas: Iterable[Delta]) -> tuple[ChosenLogprob, ...]:
    """All that an answer's deltas bring."""
    return tuple(chain.from_iterable(delta.logprobs for delta in deltas if isinstance(delta, Scored)))
