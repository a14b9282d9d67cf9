"""The webhook against receivers that misbehave: what does not arrive is tried again, counted, and betrays
nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from telemetry.slo import NOTHING, Objective, ObjectiveReport, State, report
from telemetry.watches.webhook import Webhook

SECRETS = ("s3cret", "hunter2", "ada")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
CHANGE: ObjectiveReport = report(Objective("availability", 0.99), 30, {}, NOTHING)

MISTAKES = {
    "no HTTP": b"hello\r\n\r\n",
    "nothing": b"",
    "too long a line": b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
    "a status that is none": b"HTTP/1.1 twohundred OK\r\n\r\n",
    "a refusal": b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/s3cret\r\ncontent-length: 0\r\n\r\n",
}


@contextmanager
def receiver(*replies: bytes | None) -> Iterator[tuple[int, list[bytes]]]:
    """Answers connections with these bytes, the last one for ever; None drips a byte now and then."""
    got: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        waiting = list(replies)
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                got.append(connection.recv(65536))
                while reply is None and not over.wait(0.05):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        break
                connection.sendall(reply or b"")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1], got
    over.set()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def send(url: str, attempt_s: float = 5.0) -> Webhook:
    async def work() -> Webhook:
        hook = Webhook(url, "http://gateway", back_off_s=(0.01, 0.01), attempt_s=attempt_s)
        hook.post(CHANGE, State.FAST_BURN)
        await asyncio.gather(*hook._sending)
        return hook

    return asyncio.run(work())


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_what_is_no_answer_is_tried_again(mistake: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A receiver that answers nonsense once gets the change the second time; one that always does is
    counted and named.
    """
    with receiver(mistake, OK) as (port, got):
        assert send(f"http://127.0.0.1:{port}/hooks/s3cret").failed == 0
        assert len(got) == 2
    with receiver(mistake) as (port, got):
        assert send(f"http://ada:hunter2@127.0.0.1:{port}/hooks/s3cret").failed == 1
        assert len(got) == 3
    (line,) = [found.getMessage() for found in caplog.records if found.levelno >= logging.WARNING]
    assert "127.0.0.1" in line
    assert not any(secret in caplog.text for secret in SECRETS)


def test_credentials_are_sent_and_never_told(caplog: pytest.LogCaptureFixture) -> None:
    """A user and a password in the URL become the header that receivers expect."""
    with receiver(OK) as (port, got):
        assert send(f"http://ada:hunter%402@127.0.0.1:{port}/x").failed == 0
    assert b"Authorization: Basic YWRhOmh1bnRlckAy\r\n" in got[0]
    assert b"hunter" not in got[0]
    assert caplog.text == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://ada:hunter2@[::1/s3cret",
        "http://127.0.0.1:port/s3cret",
        "http://127.0.0.1:1/s3cret\x01",
        "s3cret",
    ],
)
def test_a_url_that_cannot_be_used(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and told without its words."""
    assert send(url).failed == 1
    assert "did not take a change of state" in caplog.text
    assert not any(secret in caplog.text for secret in SECRETS)


def test_an_answer_that_never_ends(caplog: pytest.LogCaptureFixture) -> None:
    """A receiver that drips holds an attempt for as long as an attempt may take, and nobody waits for its
    thread.
    """
    with receiver(None) as (port, _):
        began = time.monotonic()
        assert send(f"http://127.0.0.1:{port}/s3cret", attempt_s=0.2).failed == 1
        assert time.monotonic() - began < 10
    assert "TimeoutError" in caplog.text
