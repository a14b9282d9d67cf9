"""Figures that may take long to read: a folder on a network that hangs, a file of a disk that fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")

EVERY_S = 1.0
"""Shortest time between two readings."""

PATIENCE_S = 15.0
"""The age of the newest reading at which there is none any more."""


class PollError(RuntimeError):
    """There is no reading: the last one failed, or takes too long."""


class Polled(Generic[Value]):
    """A figure that is read on a thread of its own; asking for its newest reading never waits. One thread
    reads at a time, so that a reading that hangs costs a thread and nothing else.
    """

    def __init__(self, read: Callable[[], Value], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._began = -EVERY_S
        self._first_asked: float | None = None
        self._newest: tuple[float, Value] | None = None
        self._error: Exception | None = None

    def newest(self) -> Value | None:
        """The newest reading, None before the first; asks for another one.

        Raises:
            PollError: there is none.
        """
        now = self._clock()
        with self._lock:
            if self._first_asked is None:
                self._first_asked = now
            if self._thread is None and now - self._began >= EVERY_S:
                self._began = now
                self._thread = threading.Thread(target=self._run, name="polling", daemon=True)
                self._thread.start()
            if self._error is not None:
                raise PollError(str(self._error)) from self._error
            if now - (self._newest[0] if self._newest else self._first_asked) > PATIENCE_S:
                raise PollError(f"it has not been read for more than {PATIENCE_S:g} s")
            return self._newest[1] if self._newest else None

    def newest_or_none(self) -> Value | None:
        """The newest reading; None, which reads "not measured", also where there is none."""
        try:
            return self.newest()
        except PollError:
            return None

    def join(self, timeout_s: float) -> None:
        """Wait for a reading that is under way."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        try:
            value = self._read()
        except Exception as error:  # whatever a file system or a driver raises: whoever asks is given it
            with self._lock:
                self._error, self._thread = error, None
            return
        with self._lock:
            self._newest, self._error, self._thread = (self._clock(), value), None, None
