"""The Health page: each part by what it says of itself, with advice where it is not well; it agrees with
`/readyz`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dashboard.pages.health import parts as health_parts
from dashboard.pages.health.context import Condition, Part
from dashboard.pages.health.engine_parts import busy_words, engine_part, queue_part
from telemetry.cost import Prices
from telemetry.energy.sources import Report
from telemetry.events import EngineSample, EngineState, EngineStatus, ThreadSample
from telemetry.health import DiskHealth, ExporterHealth, ReadinessResult, StoreHealth, host_of, readiness
from telemetry.live import LiveEngine, LiveSink
from telemetry.slo import Counts, Objective, report
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import MODEL, MS, NOW, OBJECTIVES

SECOND = 1000 * MS
READY = EngineStatus(MODEL, EngineState.READY, pid=1)
IDLE = EngineSample(MODEL, 8, 0, 0, 0, 0.0, 0, 8192, None)
BUSY = ThreadSample(now=1, usual=2, allowed=2, contention=0.45)
SHARES = ThreadSample(now=1, usual=2, allowed=1, contention=0.02)
STORE = StoreHealth("", 0, 1000, 0, 10, 100, 0.1)
NOW_S = NOW.timestamp()
SPENT = report(
    Objective("availability", 0.99),
    30,
    {m: Counts(100, 0) for m in (5, 30, 60, 360)},
    Counts(2000, 118),
    NOW_S - 12,
)
SENDS = ExporterHealth("traces", "http://c:4318", 10, 0, 0, failing=False)

CASES: Mapping[str, tuple[Part, Condition]] = {
    "an engine that reports": (
        engine_part(LiveEngine(READY, IDLE, 9 * SECOND), 10 * SECOND),
        Condition.WELL,
    ),
    "a silent engine": (engine_part(LiveEngine(READY, IDLE, 1), 10 * SECOND), Condition.WARN),
    "an engine that failed lately": (
        engine_part(LiveEngine(READY, IDLE, 99 * SECOND, "died", 90 * SECOND), 100 * SECOND),
        Condition.WARN,
    ),
    "an engine that failed long ago": (
        engine_part(LiveEngine(READY, IDLE, 999 * SECOND, "died", SECOND), 1000 * SECOND),
        Condition.WELL,
    ),
    "an engine without a core": (
        engine_part(LiveEngine(READY, replace(IDLE, threads=BUSY), 9 * SECOND), 10 * SECOND),
        Condition.WARN,
    ),
    "an engine that shares": (
        engine_part(LiveEngine(READY, replace(IDLE, threads=SHARES), 9 * SECOND), 10 * SECOND),
        Condition.WELL,
    ),
    "a loading engine": (
        engine_part(LiveEngine(replace(READY, state=EngineState.STARTING, reason="is loading"), None), 1),
        Condition.WARN,
    ),
    "a failed engine": (
        engine_part(LiveEngine(replace(READY, state=EngineState.FAILED, reason="died"), None), 1),
        Condition.BAD,
    ),
    "an empty queue": (queue_part([LiveEngine(READY, IDLE)]), Condition.WELL),
    "a long queue": (
        queue_part([LiveEngine(READY, replace(IDLE, queue_depth=3, queue_oldest_age_s=30.0))]),
        Condition.WARN,
    ),
    "no engine": (queue_part([]), Condition.UNMEASURED),
    "a store that writes": (health_parts.store_part(STORE), Condition.WELL),
    "a store that cannot": (health_parts.store_part(replace(STORE, error="disk full")), Condition.BAD),
    "a store that is opened": (
        health_parts.store_part(replace(STORE, opening="the database is being opened")),
        Condition.WARN,
    ),
    "a store that lost rows": (health_parts.store_part(replace(STORE, dropped=1)), Condition.WARN),
    "a store that is behind": (health_parts.store_part(replace(STORE, queued=900)), Condition.WARN),
    "a store that hangs": (
        health_parts.store_part(replace(STORE, queued=1, flush_age_s=60.0)),
        Condition.WARN,
    ),
    "an idle store": (health_parts.store_part(replace(STORE, flush_age_s=9999.0)), Condition.WELL),
    "a store over its cap": (health_parts.store_part(replace(STORE, file_bytes=120)), Condition.WARN),
    "no store": (health_parts.store_part(replace(STORE, enabled=False)), Condition.OFF),
    "an exporter that sends": (health_parts.exporter_parts([SENDS])[0], Condition.WELL),
    "an exporter that fails": (
        health_parts.exporter_parts([replace(SENDS, failed=5, failing=True)])[0],
        Condition.BAD,
    ),
    "an exporter that lost": (health_parts.exporter_parts([replace(SENDS, lost=5)])[0], Condition.WARN),
    "no exporter": (health_parts.exporter_parts([])[0], Condition.OFF),
    "a loop in time": (health_parts.loop_part(0.01), Condition.WELL),
    "a late loop": (health_parts.loop_part(0.3), Condition.WARN),
    "a stuck loop": (health_parts.loop_part(3.0), Condition.BAD),
    "a loop not measured": (health_parts.loop_part(None), Condition.UNMEASURED),
    "room": (health_parts.disk_part(DiskHealth("/h", 10**10, 10**11)), Condition.WELL),
    "little room": (health_parts.disk_part(DiskHealth("/h", 5 * 10**8, 10**11)), Condition.WARN),
    "no room": (health_parts.disk_part(DiskHealth("/h", 10**6, 10**11)), Condition.BAD),
    "a disk that cannot be asked": (health_parts.disk_part(DiskHealth("/h", None, None)), Condition.WARN),
    "an objective that holds": (health_parts.objective_parts(OBJECTIVES, NOW_S)[0], Condition.WELL),
    "an objective that burns": (health_parts.objective_parts(OBJECTIVES, NOW_S)[1], Condition.BAD),
    "an objective without requests": (
        health_parts.objective_parts(OBJECTIVES, NOW_S)[2],
        Condition.UNMEASURED,
    ),
    "an objective whose budget is used up": (health_parts.objective_parts([SPENT], NOW_S)[0], Condition.WARN),
    "an objective used up long ago": (
        health_parts.objective_parts([replace(SPENT, burns=dict.fromkeys(SPENT.burns))], NOW_S)[0],
        Condition.WARN,
    ),
    "no objective yet": (health_parts.objective_parts([], NOW_S)[0], Condition.UNMEASURED),
    "energy": (health_parts.energy_part(Report(("RAPL package-0",)), Prices()), Condition.WELL),
    "no energy": (health_parts.energy_part(Report(missing=("none",)), Prices()), Condition.UNMEASURED),
    "a price without energy": (
        health_parts.energy_part(Report(missing=("none",)), Prices(per_kwh=0.3)),
        Condition.WARN,
    ),
}


@pytest.mark.parametrize(("part", "condition"), CASES.values(), ids=CASES)
def test_a_part_says_how_it_does_and_what_to_do(part: Part, condition: Condition) -> None:
    """Its condition follows from what it reports; one that is not well comes with advice, one that is well
    without.
    """
    assert part.condition is condition
    assert part.words.endswith(".")
    if condition not in (Condition.OFF, Condition.UNMEASURED):
        assert bool(part.advice) == (condition is not Condition.WELL)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], ReadinessResult(ready=False, reason="no model is configured")),
        (
            [READY, replace(READY, model="b", state=EngineState.FAILED, reason="died")],
            ReadinessResult(ready=True),
        ),
        (
            [replace(READY, state=EngineState.RESTARTING, reason="died")],
            ReadinessResult(ready=False, reason=f"{MODEL} died"),
        ),
    ],
)
def test_one_ready_engine_makes_ready(statuses: list[EngineStatus], expected: ReadinessResult) -> None:
    """And without one the reason names each."""
    assert readiness(statuses) == expected


def test_the_page_says_what_readyz_says(busy: Pages) -> None:
    """Ready with an engine; with the engine gone, not ready, with the reason, and the engine's failure
    first.
    """
    page = busy.get("/health").text
    assert "answers 200" in page
    busy.site.sink.engine_status(
        EngineStatus(MODEL, EngineState.FAILED, "is given up after 6 failed starts: killed by signal 9")
    )
    page = busy.get("/health").text
    assert "answers 503" in page
    assert "is given up after 6 failed starts" in page
    assert page.index(f"Engine {MODEL}") < page.index('aria-label="Store"')
    assert "firsttoken doctor" in page


def test_the_store_says_what_was_lost_and_how() -> None:
    """A full queue and a refusal are two things, with two remedies; while nothing is written, what happens
    waits or is lost.
    """
    lost = replace(
        STORE, dropped=5, refused=2, failure="OperationalError: database is locked", failure_age_s=65.0
    )
    part = health_parts.store_part(lost)
    assert part.words == "It writes; events were lost earlier."
    assert "3 found the queue full" in part.advice
    assert "database is locked" in part.advice
    assert "2 were refused" in part.advice
    assert "store.queue_size" not in health_parts.store_part(replace(lost, refused=5)).advice
    assert "wait in the queue" in health_parts.store_part(replace(STORE, error="locked", queued=3)).advice
    assert "is lost" in health_parts.store_part(replace(STORE, error="locked", queued=1000)).advice


def test_an_empty_site_is_not_ready(pages: Pages) -> None:
    """No engine, no figures: said in words."""
    pages.site.health.lag_s, pages.site.health.sent = None, ()
    page = pages.get("/health").text
    assert "no model is configured" in page
    assert "not measured" in page
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in page


def test_the_page_needs_no_store(busy: Pages) -> None:
    """A store that cannot be written is told here, with 200."""
    busy.site.health.written = StoreHealth("OperationalError: disk I/O error", 7, 1000, 1234)
    response = busy.get("/health")
    assert response.status_code == 200
    assert "disk I/O error" in response.text
    assert "1,234" in response.text


@pytest.mark.parametrize(("idle", "words"), [(0, "All slots are taken"), (3, "Slots are free")])
def test_a_long_wait_is_for_what_it_is_for(idle: int, words: str) -> None:
    """Requests that wait although slots are free wait for no slot; what other engines have free helps
    nobody.
    """
    waits = replace(IDLE, slots_idle=idle, queue_depth=1, queue_oldest_age_s=30.0)
    part = queue_part([LiveEngine(READY, waits), LiveEngine(READY, IDLE)])
    assert part.advice.startswith(words)


def test_the_last_failure_stays_known() -> None:
    """After a restart the engine is ready again; why it failed, and when, is still there; heartbeats have
    their time.
    """
    now: dict[str, Any] = {"ns": 5}
    sink = LiveSink(lambda: now["ns"])
    sink.engine_status(replace(READY, state=EngineState.RESTARTING, reason="was killed; it is started again"))
    now["ns"] = 9
    sink.engine_status(READY)
    sink.engine_sample(IDLE)
    assert sink.engines() == [LiveEngine(READY, IDLE, 9, "was killed; it is started again", 5)]


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("http://collector:4318/v1/traces", "http://collector:4318"),
        ("https://user:hunter2@otlp.example/secret/path?token=hunter2", "https://otlp.example"),
        ("http://[::1]:4317", "http://[::1]:4317"),
        ("collector:4317", "collector:4317"),
        ("http://host:notaport/hunter2", "an address that is no URL"),
    ],
)
def test_an_endpoint_is_shown_without_secrets(endpoint: str, shown: str) -> None:
    """Scheme, host and port are enough to know where it goes."""
    assert host_of(endpoint) == shown


def test_a_spent_budget_is_told_with_its_figures() -> None:
    """By how much it is spent, of the same moment as the rest, and how long ago that was."""
    (part,) = health_parts.objective_parts([SPENT], NOW_S)
    told = {fact.name: fact.value for fact in part.facts}
    assert (told["achieved"], told["budget left"], told["read"]) == (
        "94.1%",
        "used up (4.9 times over)",
        "10 s ago",
    )
    assert told["burn rate, 1 h and its last 5 min"] == "0, now 0"
    assert "used up" in part.words


def test_a_busy_machine_in_words() -> None:
    """How much of the time, and what was given up; one thread is not "threads"."""
    assert (
        busy_words(replace(IDLE, threads=BUSY))
        == "The machine is busy: 45% of the time without a core; 1 thread instead of 2."
    )
    assert busy_words(replace(IDLE, threads=SHARES)) == busy_words(IDLE) == ""
