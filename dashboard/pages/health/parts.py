"""What makes a part well or not, and what to do about it: pure functions from what the gateway says of
itself to words. Engines and their queue are in `dashboard.pages.health.engine_parts`.
"""

from __future__ import annotations

from collections.abc import Iterable

from dashboard.pages.health.context import Condition, Part
from dashboard.words import explain, formats
from dashboard.words.facts import Fact
from telemetry.cost import Prices
from telemetry.energy.sources import Report
from telemetry.health import DiskHealth, ExporterHealth, StoreHealth
from telemetry.slo import ObjectiveReport, State

FULL = 0.8
"""Share of the store's queue from which its writer is behind."""

LATE_FLUSH_S = 10.0
"""Rows are written several times a second while there are any."""

LAG_WARN_S, LAG_BAD_S = 0.1, 1.0
"""A loop that is late delays every stream's tokens by as much."""

LOW_DISK_BYTES, NO_DISK_BYTES = 1_000_000_000, 200_000_000
"""As `firsttoken doctor` warns; and where the next database page or cache file may not fit."""

OVER_CAP = 1.1
"""Of `store.max_bytes`: retention works towards 0.9, a little at a time."""


def store_part(store: StoreHealth) -> Part:
    """The store's writer."""
    if not store.enabled:
        return Part(
            "Store",
            Condition.OFF,
            "telemetry.enabled is off: nothing is recorded.",
            "Set telemetry.enabled to record requests.",
        )
    condition, words, advice = _store_finding(store)
    cap = f" of {formats.size_bytes(store.max_bytes)}" if store.max_bytes else ", no limit"
    facts = (
        Fact("waiting", f"{formats.count(store.queued)} of {formats.count(store.queue_size)} events"),
        Fact("dropped", formats.count(store.dropped), "since the start"),
        Fact(
            "file",
            (
                f"{formats.size_bytes(store.file_bytes)}{cap}"
                if store.file_bytes is not None
                else formats.NOT_MEASURED
            ),
        ),
        Fact(
            "last write",
            "none yet" if store.flush_age_s is None else f"{formats.seconds(store.flush_age_s)} ago",
        ),
    )
    return Part("Store", condition, words, advice, facts)


def _store_finding(store: StoreHealth) -> tuple[Condition, str, str]:
    if store.error:
        return (
            Condition.BAD,
            f"Nothing is written; the database cannot be written: {store.error}.",
            _kept(store),
        )
    if store.opening:
        return Condition.WARN, f"Nothing is written yet: {store.opening}.", _kept(store)
    if store.queued > store.queue_size * FULL or (
        store.queued and store.flush_age_s is not None and store.flush_age_s > LATE_FLUSH_S
    ):
        return (
            Condition.WARN,
            "Its writer is behind.",
            "Check the disk, and whether another process holds the database's write lock.",
        )
    if store.dropped:
        return Condition.WARN, "It writes; events were lost earlier.", _lost(store)
    if store.max_bytes and store.file_bytes is not None and store.file_bytes > store.max_bytes * OVER_CAP:
        return (
            Condition.WARN,
            "The file is larger than its limit.",
            "Retention is at work; if it stays so, run `firsttoken db prune`, or raise store.max_bytes.",
        )
    return Condition.WELL, "It writes what happens.", ""


def _kept(store: StoreHealth) -> str:
    """What becomes of what happens now."""
    if store.queued >= store.queue_size:
        return (
            "Requests are served; the queue is full, and what happens now is lost. Check store.url, its disk,"
            " and who holds its lock."
        )
    return (
        "Requests are served, and wait in the queue to be written; it is tried again. Check store.url, its"
        " disk, and who holds its lock."
    )


def _lost(store: StoreHealth) -> str:
    """How events were lost, and what helps against that."""
    advice = []
    if full := store.dropped - store.refused:
        since = (
            ""
            if not store.failure
            else f", last {formats.seconds(store.failure_age_s)} ago ({store.failure})"
        )
        advice.append(
            f"{formats.count(full)} found the queue full while the database could not be written{since}. See"
            " to the database; a longer store.queue_size bridges more."
        )
    if store.refused:
        advice.append(f"{formats.count(store.refused)} were refused by the database: the log says why.")
    return " ".join(advice)


def exporter_parts(exporters: Iterable[ExporterHealth]) -> list[Part]:
    """The OTLP exporters, or that there are none."""
    parts = [_exporter_part(found) for found in exporters]
    return parts or [
        Part(
            "OTLP",
            Condition.OFF,
            "Nothing is sent.",
            "Set OTEL_EXPORTER_OTLP_ENDPOINT to send traces and metrics to a collector.",
        )
    ]


def _exporter_part(found: ExporterHealth) -> Part:
    items = {"traces": "spans", "metrics": "points", "logs": "log records"}.get(found.signal, "items")
    facts = (
        Fact("collector", found.endpoint),
        Fact("sent", f"{formats.count(found.exported)} {items}"),
        Fact("failed", formats.count(found.failed)),
        Fact("dropped", formats.count(found.lost), "by a full queue"),
    )
    name = f"OTLP {found.signal}"
    if found.failing:
        advice = (
            "Serving goes on. Check that the collector runs and that its address, protocol and headers are"
            " right."
        )
        return Part(name, Condition.BAD, "The collector did not take the last batch.", advice, facts)
    if found.lost:
        advice = (
            "The collector was away or slow for longer than the queue lasts. Check it, or raise"
            " OTEL_BSP_MAX_QUEUE_SIZE."
        )
        return Part(name, Condition.WARN, f"It is sent; some {items} were lost earlier.", advice, facts)
    words = "The collector takes what is sent." if found.exported else "Nothing was to be sent yet."
    return Part(name, Condition.WELL, words, "", facts)


def loop_part(lag_s: float | None) -> Part:
    """The event loop, which every stream goes through."""
    facts = (Fact("worst of the last minute", formats.seconds(lag_s)),)
    if lag_s is None:
        return Part("Event loop", Condition.UNMEASURED, "Not measured yet.", "", facts)
    if lag_s <= LAG_WARN_S:
        return Part("Event loop", Condition.WELL, "It answers in time.", "", facts)
    condition = Condition.BAD if lag_s > LAG_BAD_S else Condition.WARN
    advice = (
        "Every stream waits for it. The machine is short of CPU: leave a core to the gateway"
        " (engine.threads), or move other work away."
    )
    return Part("Event loop", condition, f"It was late by {formats.seconds(lag_s)}.", advice, facts)


def disk_part(disk: DiskHealth) -> Part:
    """The home folder's disk: database, cache files and logs."""
    if disk.free_bytes is None:
        return Part(
            "Disk",
            Condition.WARN,
            f"{disk.folder} cannot be asked.",
            "Check that the folder is there and readable.",
        )
    facts = (
        Fact("free", f"{formats.size_bytes(disk.free_bytes)} of {formats.size_bytes(disk.total_bytes)}"),
        Fact("folder", disk.folder),
    )
    if disk.free_bytes >= LOW_DISK_BYTES:
        return Part("Disk", Condition.WELL, "It has room.", "", facts)
    condition = Condition.BAD if disk.free_bytes < NO_DISK_BYTES else Condition.WARN
    advice = (
        "Free some space, or lower store.max_bytes and engine.cache_disk_bytes: on a full disk nothing is"
        " recorded."
    )
    return Part("Disk", condition, f"Only {formats.size_bytes(disk.free_bytes)} are free.", advice, facts)


_SLO_CONDITIONS = {State.OK: Condition.WELL, State.FAST_BURN: Condition.BAD}
"""Of the states of an objective; each other one needs attention."""


def objective_parts(reports: Iterable[ObjectiveReport], now_s: float) -> list[Part]:
    """Each objective, or that none was looked at yet."""
    parts = [_objective_part(found, now_s) for found in reports]
    return parts or [
        Part(
            "Objectives",
            Condition.UNMEASURED,
            "They are measured for the first time half a minute after the start.",
        )
    ]


def _objective_part(found: ObjectiveReport, now_s: float) -> Part:
    condition = _SLO_CONDITIONS.get(found.state, Condition.WARN)
    if condition is Condition.WELL and found.burns.get(360) is None:
        condition = Condition.UNMEASURED
    facts = (
        Fact(
            "burn rate, 1 h and its last 5 min",
            formats.burns(found.burns, 60, 5),
            "1 spends the budget exactly in its time",
        ),
        Fact("burn rate, 6 h and their last 30 min", formats.burns(found.burns, 360, 30)),
        Fact("achieved", formats.share(found.achieved), f"over {found.window_days:g} days"),
        Fact("budget left", formats.budget(found.budget_left), f"over {found.window_days:g} days"),
        Fact("read", formats.ago(found.age_s(now_s))),
    )
    burning = (
        "The Latency page says where the time goes, the Requests page which requests failed; slo.* sets what"
        " is good enough."
    )
    advice = (
        ""
        if condition in (Condition.WELL, Condition.UNMEASURED)
        else explain.STORE_REMEDY
        if found.state is State.UNKNOWN
        else burning
    )
    return Part(
        f"Objective: {explain.objective(found.objective)}", condition, explain.slo_state(found), advice, facts
    )


def energy_part(report: Report, prices: Prices) -> Part:
    """Where energy is read; a machine without counters is no fault, a price that cannot be applied needs
    attention.
    """
    if report.sources:
        return Part("Energy", Condition.WELL, f"It is read {report.words}.")
    words = f"Not measured: {report.words}."
    if prices.per_kwh is None:
        return Part("Energy", Condition.UNMEASURED, words)
    return Part(
        "Energy",
        Condition.WARN,
        words,
        "Without it no request has a cost: unset cost.price_per_kwh to have that of tokens.",
    )
