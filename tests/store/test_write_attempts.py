"""The store's state has one shape: what the writer's attempts say of it, and what `/readyz` makes of that."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from telemetry.health import StoreHealth
from telemetry.options import StoreOptions, TelemetryOptions
from telemetry.stack import TelemetryStack
from telemetry.store.write_attempts import OPENING, WriteAttempts
from tests.store.test_store import url_of


@pytest.fixture
def attempts() -> WriteAttempts:
    return WriteAttempts(logging.getLogger("test"))


def test_before_the_first_write_it_is_opened(attempts: WriteAttempts) -> None:
    """That is no error, and steps that take long are named; the first write ends it."""
    assert attempts.health() == StoreHealth(opening=OPENING)
    attempts.opening("the database is being brought from revision none to 0013")
    assert attempts.health().summary == "the database is being brought from revision none to 0013"
    attempts.wrote()
    assert attempts.health() == StoreHealth()
    assert attempts.health().summary == "ok"


def test_a_failure_is_an_error_until_the_next_write(attempts: WriteAttempts) -> None:
    """Afterwards it is still known what it was, and when; bringing the schema up to date later is an error
    too.
    """
    attempts.failed(OSError("disk full"))
    found = attempts.health()
    assert (found.error, found.opening, found.failure) == ("OSError: disk full", "", "OSError: disk full")
    attempts.opening("the database is being brought from revision 0012 to 0013")
    assert attempts.health().error == "the database is being brought from revision 0012 to 0013"
    attempts.wrote()
    found = attempts.health()
    assert (found.summary, found.failure) == ("ok", "OSError: disk full")
    assert found.failure_age_s is not None


def test_what_is_refused_is_no_error(attempts: WriteAttempts) -> None:
    """Others are written; it is the last failure all the same."""
    attempts.wrote()
    attempts.refused(ValueError("too large"))
    assert (attempts.health().summary, attempts.health().failure) == ("ok", "ValueError: too large")


def test_a_database_that_hangs_is_an_error(attempts: WriteAttempts, monkeypatch: pytest.MonkeyPatch) -> None:
    """For as long as it is waited for, once it was written to: an opening may take its time."""
    monkeypatch.setattr("telemetry.store.write_attempts.HUNG_S", -1.0)
    with attempts.busy():
        assert attempts.health().summary == OPENING
    attempts.wrote()
    with attempts.busy():
        assert attempts.health().summary == "the database has not answered for 0 s"
    assert attempts.health().summary == "ok"


def test_it_holds_no_password(attempts: WriteAttempts) -> None:
    """Drivers put the URL into what they say."""
    attempts.failed(OSError("cannot connect to postgresql://ada:hunter2@db/firsttoken"))
    assert "hunter2" not in str(attempts.health())
    assert "postgresql://ada:***@db" in attempts.health().error


def test_a_stack_says_off_where_nothing_is_recorded(tmp_path: Path) -> None:
    """And that the database is being opened, where something will be; figures are there in both cases."""
    found: dict[bool, StoreHealth] = {}
    for enabled in (True, False):
        options = TelemetryOptions(StoreOptions(url_of(tmp_path / "store.db"), 100), enabled=enabled)
        stack = TelemetryStack(options, served=lambda: ["m"])
        found[enabled] = stack.store_health()
        asyncio.run(stack.reader.dispose())
        stack._output.stop()
    assert (found[True].summary, found[False].summary) == (OPENING, "off")
    assert found[True].queue_size == found[False].queue_size == 100
    assert not found[False].opening
