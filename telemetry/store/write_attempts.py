"""The writer's attempts: how the last one ended, and what `StoreHealth` and the log say of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from telemetry.health import StoreHealth
from telemetry.logs.events import event
from telemetry.redact import without_passwords
from telemetry.store.failures import first_line

OPENING = "the database is being opened"

HUNG_S = 10.0
"""A transaction that takes longer is reported."""


class WriteAttempts:
    """The attempts to write; reported on the writer's thread, asked anywhere. Failures are logged once per
    kind, not once per attempt.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._opening = OPENING
        """The step that is done before the first write; '' after it, and after a failure."""
        self._error = ""
        """The reason why nothing is written now; '' where it is."""
        self._last_failure: tuple[str, float] | None = None
        """Its words and monotonic time, also when it is over, and of single events that were refused."""
        self._logged = ""
        self._busy_since_s: float | None = None

    def health(self) -> StoreHealth:
        """The store's health as far as attempts tell it; figures are the writer's to add."""
        failure, failed_s = self._last_failure or ("", None)
        return StoreHealth(
            error=without_passwords(self._error) or self._hung(),
            opening=self._opening,
            failure=without_passwords(failure),
            failure_age_s=None if failed_s is None else time.monotonic() - failed_s,
        )

    def _hung(self) -> str:
        since_s = self._busy_since_s
        if since_s is None or self._opening or (waited_s := time.monotonic() - since_s) <= HUNG_S:
            return ""
        return f"the database has not answered for {waited_s:.0f} s"

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While the database is waited for."""
        self._busy_since_s = time.monotonic()
        try:
            yield
        finally:
            self._busy_since_s = None

    def opening(self, words: str) -> None:
        """It takes a while, and this is what happens."""
        self._log.info("%s", words)
        if self._opening:
            self._opening = words
        else:
            self._error = words

    def wrote(self) -> None:
        """A write was made."""
        if self._logged:
            self._log.warning("the store is written again", extra=event("store.written_again"))
            self._logged = ""
        self._opening = self._error = ""

    def failed(self, error: Exception) -> None:
        """Nothing can be written now."""
        self._error, self._opening = self._note(error), ""
        if self._error != self._logged:
            words = "the store cannot be written; what happens waits in its queue: %s"
            self._log.error(words, self._error, extra=event("store.unwritable"))
            self._logged = self._error

    def refused(self, error: Exception) -> None:
        """Single events cannot be written, ever."""
        words = "an event was refused by the store, and is dropped and counted: %s"
        self._log.error(words, self._note(error), extra=event("store.refused"))

    def _note(self, error: Exception) -> str:
        failure = first_line(error, with_type=True)
        self._last_failure = failure, time.monotonic()
        return failure
