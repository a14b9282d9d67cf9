"""The objectives over real roll-ups, on both databases: what counts, what is told, and what a lost store
says.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from telemetry.events import Status
from telemetry.metrics.sink import MetricsSink
from telemetry.recorder import Ended
from telemetry.slo import Objective, ObjectiveReport, State
from telemetry.store.engine import create_reader
from telemetry.store.writer import StoreSink
from telemetry.watches.slo import SloWatch
from tests.telemetry.records import ManualClock, answer, open_record, recorder

AVAILABILITY = Objective("availability", 0.9)
TTFT = Objective("ttft", 0.9, 120.0)
INTER_TOKEN = Objective("inter_token", 0.9, 50.0)


def write(url: str, *ends: Ended, late: int = 0, minutes_ago: float = 2) -> None:
    """Requests that ended so; the first `late` of the good ones have their first token after more than 109
    ms.
    """
    clock = ManualClock()
    sink = StoreSink(url, 1000, batch_s=0.01)
    sink.start()
    rec = recorder(clock, sink, wall_ns=time.time_ns() - round(minutes_ago * 60e9))
    for index, end in enumerate(ends):
        record = open_record(rec, clock)
        rec.admit(record)
        if end.status is Status.OK:
            clock.advance(200 if index < late else 0)
            answer(rec, clock, record, gaps_ms=(10, 10, 60))
        rec.close(record, end)
    assert sink.stop(30)


GOOD = Ended(Status.OK, 200)
FAILED = Ended(Status.ERROR, 503, "engine_unavailable")
MISTAKE = Ended(Status.ERROR, 400, "context_length_exceeded")
LEFT = Ended(Status.CANCELLED, 499, "client_disconnect")


def look(url: str, times: int = 1) -> tuple[SloWatch, list[tuple[str, State, State]], MetricsSink]:
    told: list[tuple[str, State, State]] = []
    metrics = MetricsSink(list)

    def tell(found: ObjectiveReport, was: State) -> None:
        told.append((found.objective.name, was, found.state))

    async def work() -> SloWatch:
        reader = create_reader(url)
        watch = SloWatch(reader, metrics, (AVAILABILITY, TTFT, INTER_TOKEN), 30, tell)
        for _ in range(times):
            await watch.check()
        await reader.dispose()
        await asyncio.sleep(0.2)  # the thread of a connection that failed still speaks to this loop
        return watch

    return asyncio.run(work()), told, metrics


def test_what_counts(url: str) -> None:
    """Our failures are bad, the client's mistakes and departures count neither way; times are judged by
    the histograms.
    """
    write(url, *[GOOD] * 16, *[FAILED] * 4, *[MISTAKE] * 30, *[LEFT] * 30, late=4)
    watch, _, _ = look(url)
    found = {report.objective.name: report for report in watch.reports}
    assert found["availability"].counts is not None
    assert (found["availability"].counts.total, found["availability"].counts.bad) == (20, 4)
    assert found["availability"].burns[60] == pytest.approx(2)
    assert found["availability"].budget_left == pytest.approx(-1)
    assert found["ttft"].counts is not None
    assert (found["ttft"].counts.total, found["ttft"].counts.bad) == (16, 4)
    assert found["inter_token"].counts is not None
    assert (found["inter_token"].counts.total, found["inter_token"].counts.bad) == (48, 16)


def test_a_change_of_state_is_told_once(url: str) -> None:
    """Everything fails: fast burn, told once, and exported; nothing was told while all was well."""
    write(url, *[GOOD] * 10, minutes_ago=400)
    assert [change for change in look(url)[1] if change[0] == "availability"] == []
    write(url, *[FAILED] * 200)
    strict = Objective("availability", 0.99)

    told: list[tuple[State, State]] = []
    metrics = MetricsSink(list)

    async def work() -> None:
        reader = create_reader(url)
        watch = SloWatch(reader, metrics, (strict,), 30, lambda found, was: told.append((was, found.state)))
        await watch.check()
        await watch.check()
        await reader.dispose()

    asyncio.run(work())
    assert told == [(State.OK, State.FAST_BURN)]
    body = metrics.render()[0].decode()
    assert 'firsttoken_slo_burn_rate{objective="availability",window="1h"} 100.' in body.replace(
        "99.99999999999991", "100."
    )
    assert 'firsttoken_slo_budget_left{objective="availability"}' in body


def test_every_figure_is_of_one_moment(url: str) -> None:
    """However often it was looked at before: what fails now is in the budget and in the burn rates of the
    same report.
    """
    write(url, *[GOOD] * 50, minutes_ago=3)

    async def work() -> tuple[list[ObjectiveReport], list[float]]:
        reader, moments = create_reader(url), iter(time.time() + look for look in range(9))
        watch = SloWatch(
            reader,
            MetricsSink(list),
            (AVAILABILITY,),
            30,
            lambda _found, _was: None,
            wall_s=lambda: next(moments),
        )
        seen: list[ObjectiveReport] = []
        for look in range(4):
            if look == 2:
                await asyncio.to_thread(write, url, *[FAILED] * 50)
            await watch.check()
            seen += watch.reports
        await reader.dispose()
        return seen, [one.at_s for one in seen]

    seen, moments = asyncio.run(work())
    assert [(one.state, one.achieved) for one in seen] == [(State.OK, 1.0)] * 2 + [(State.USED_UP, 0.5)] * 2
    assert [one.budget_left for one in seen] == pytest.approx([1, 1, -4, -4])
    assert [one.burns[60] for one in seen] == pytest.approx([0, 0, 5, 5])
    assert moments == sorted(set(moments))


def test_what_is_not_measured_any_more_is_no_number(url: str) -> None:
    """A burn rate without requests is not the last one for ever, on `/metrics` either."""
    write(url, *[FAILED] * 5)
    metrics = MetricsSink(list)

    async def work() -> None:
        reader, moments = create_reader(url), iter((time.time(), time.time() + 3600))
        watch = SloWatch(
            reader, metrics, (AVAILABILITY,), 30, lambda _found, _was: None, wall_s=lambda: next(moments)
        )
        await watch.check()
        await watch.check()
        await reader.dispose()
        assert watch.reports[0].burns[5] is None
        assert watch.reports[0].burns[360] == pytest.approx(10)

    asyncio.run(work())
    body = metrics.render()[0].decode()
    assert 'firsttoken_slo_burn_rate{objective="availability",window="5m"} NaN' in body
    assert (
        'firsttoken_slo_burn_rate{objective="availability",window="6h"} 1' in body
        or 'window="6h"} 9.99' in body
    )


def test_no_requests(url: str) -> None:
    """Nothing is measured, nothing burns, and no series says 0."""
    watch, told, metrics = look(url)
    assert {(report.state, report.budget_left) for report in watch.reports} == {(State.OK, None)}
    assert told == []
    assert "firsttoken_slo_budget_left{" not in metrics.render()[0].decode()


def test_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    """The state is unknown, with the reason, which is no change of state to tell."""
    watch, told, _ = look(f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'x.db'}", times=2)
    assert {report.state for report in watch.reports} == {State.UNKNOWN}
    assert watch.error
    assert told == []


def test_a_change_behind_a_lost_store_is_told(url: str) -> None:
    """ok, then unknown for a while, then fast burn: told when it is known, once, and so is the way back."""
    write(url, *[FAILED] * 50)
    told: list[tuple[State, State]] = []

    async def work() -> None:
        good, gone = create_reader(url), create_reader("sqlite+aiosqlite:////nowhere/at/all.db")
        watch = SloWatch(
            good,
            MetricsSink(list),
            (Objective("availability", 0.99),),
            30,
            lambda found, was: told.append((was, found.state)),
        )
        for reader in (gone, gone, good, gone, good):
            watch.reader = reader
            await watch.check()
        assert told == [(State.OK, State.FAST_BURN)]
        watch.objectives = (Objective("availability", 0.01),)
        for reader in (gone, good):
            watch.reader = reader
            await watch.check()
        await good.dispose()
        await gone.dispose()
        await asyncio.sleep(0.2)  # the thread of a connection that failed still speaks to this loop

    asyncio.run(work())
    assert told == [(State.OK, State.FAST_BURN), (State.FAST_BURN, State.USED_UP)]
