"""The webhook: posts a change of an objective's state to a URL;
a failure is logged and counted, and never felt elsewhere.

The URL may be a secret, and hold a user and a password: nothing of it but the host's name is ever said.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from telemetry.logs.events import event
from telemetry.slo import ObjectiveReport, State

log = logging.getLogger(__name__)

TIMEOUT_S = 5.0
"""Of each wait for the receiver."""

ATTEMPT_S = 15.0
"""Of a whole attempt: a receiver that sends its answer byte by byte is given up too."""

BACK_OFF_S = (1.0, 5.0)
"""Before the second and the third attempt."""

MAX_WAITING = 20
"""Changes that may wait to be sent; one more is dropped and counted."""


class Webhook:
    """Sends on a task of the event loop, each attempt on a thread. `failed` counts what never arrived."""

    def __init__(
        self, url: str, gateway: str, back_off_s: tuple[float, ...] = BACK_OFF_S, attempt_s: float = ATTEMPT_S
    ) -> None:
        self.failed = 0
        self._url = url
        self._gateway = gateway
        self._back_off_s = back_off_s
        self._attempt_s = attempt_s
        self._sending: set[asyncio.Task[None]] = set()

    def post(self, found: ObjectiveReport, was: State) -> None:
        """Send a change of an objective's state, soon."""
        if len(self._sending) >= MAX_WAITING:
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
        """However an attempt ends (no answer, none of HTTP, one
        that refuses, a URL that cannot be used), it is made again.
        """
        error: Exception | None = None
        for wait_s in (0.0, *self._back_off_s):
            await asyncio.sleep(wait_s)
            try:
                async with asyncio.timeout(self._attempt_s):
                    await _on_a_thread(lambda: _post(self._url, body))
            except Exception as raised:
                error = raised
            else:
                return
        self.failed += 1
        words = "the webhook at %s did not take a change of state: %s"
        log.warning(words, _host(self._url), _reason(error), extra=event("webhook.failed"))


def message(found: ObjectiveReport, was: State, gateway: str) -> bytes:
    """The body that is posted, JSON: times UTC, rates 1 is as fast as allowed, null is not measured. All
    figures are of `measured_at`.
    """
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
            "achieved": found.achieved,
            "budget_left": found.budget_left,
            "measured_at": datetime.fromtimestamp(found.at_s, UTC),
        }
    )


async def _on_a_thread(work: Callable[[], None]) -> None:
    """Like `asyncio.to_thread`, on a thread that nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        error: Exception | None = None
        try:
            work()
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, done, error)

    threading.Thread(target=run, name="webhook", daemon=True).start()
    await done


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if not done.done():
        done.set_result(None) if error is None else done.set_exception(error)


def _post(url: str, body: bytes) -> None:
    """One attempt; a redirect is not followed.

    Raises:
        Exception: no answer, one that is no HTTP, or one that is not 2xx.
    """
    address, credentials = _apart(url)
    headers = {"content-type": "application/json", **credentials}
    request = urllib.request.Request(address, body, headers, method="POST")  # noqa: S310 - the setting allows http(s) only
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        opener.open(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as refused:
        refused.close()
        raise


def _apart(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its user and password, and the header that
    stands for them (RFC 7617): urllib takes them for a host's name.
    """
    parts = urlsplit(url)
    user, found, address = parts.netloc.rpartition("@")
    if not found:
        return url, {}
    token = base64.b64encode(unquote(user).encode()).decode()
    return urlunsplit(parts._replace(netloc=address)), {"authorization": f"Basic {token}"}


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "no host"
    except ValueError:
        return "no host"


def _reason(error: Exception | None) -> str:
    """Without the error's own words, which may quote the URL."""
    status = getattr(error, "code", None)
    return f"HTTP {status}" if isinstance(status, int) else type(error).__name__


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """None ends it with the redirect's own status, an error."""
