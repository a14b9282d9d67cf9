"""Posts a change of an objective's state to a URL; a failure is logged and counted, and never felt elsewhere."""

from __future__ import annotations

import asyncio
import logging
import urllib.request
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from telemetry.slo import ObjectiveReport, State

log = logging.getLogger(__name__)

TIMEOUT_S = 5.0
BACK_OFF_S = (1.0, 5.0)
"""Before the second and the third attempt."""

MOST_WAITING = 20
"""Changes that may wait to be sent; one more is dropped and counted."""


class Webhook:
    """Sends on a task of the event loop, each attempt on a thread. `failed` counts what never arrived."""

    def __init__(self, url: str, gateway: str, back_off_s: tuple[float, ...] = BACK_OFF_S) -> None:
        self.failed = 0
        self._url = url
        self._gateway = gateway
        self._back_off_s = back_off_s
        self._sending: set[asyncio.Task[None]] = set()

    def tell(self, found: ObjectiveReport, was: State) -> None:
        """Send a change, soon."""
        if len(self._sending) >= MOST_WAITING:
            self.failed += 1
            return
        task = asyncio.get_running_loop().create_task(self._send(message(found, was, self._gateway)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def stop(self) -> None:
        """Give up what is not sent yet."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(self, body: bytes) -> None:
        error: Exception | None = None
        for wait_s in (0.0, *self._back_off_s):
            await asyncio.sleep(wait_s)
            try:
                await asyncio.to_thread(_post, self._url, body)
            except (OSError, ValueError) as raised:
                error = raised
            else:
                return
        self.failed += 1
        log.warning(
            "the webhook at %s cannot be reached: %s", urlsplit(self._url).hostname, type(error).__name__
        )  # its path may be a secret


def message(found: ObjectiveReport, was: State, gateway: str) -> bytes:
    """What is posted, as JSON: times UTC, rates 1 is as fast as allowed, null is not measured."""
    return msgspec.json.encode(
        {
            "event": "slo_state_changed",
            "at": datetime.now(UTC),
            "gateway": gateway,
            "objective": found.objective.name,
            "target_share": found.objective.share,
            "threshold_ms": found.objective.threshold_ms,
            "state": found.state,
            "before": was,
            "burn_rates": {f"{minutes}m": rate for minutes, rate in found.burns.items()},
            "budget_left": found.budget_left,
        }
    )


def _post(url: str, body: bytes) -> None:
    """One attempt; a redirect is not followed.

    Raises:
        OSError: no answer, or one that is not 2xx.
    """
    request = urllib.request.Request(url, body, {"content-type": "application/json"}, method="POST")  # noqa: S310 - the setting allows http(s) only
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(request, timeout=TIMEOUT_S):
        return


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """None ends it with the redirect's own status, an error."""
