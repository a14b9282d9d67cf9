"""What makes a part well or not, and what to do about it: pure functions from what the gateway says of
itself to words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dashboard.pages.health.context import Condition, Part
from dashboard.words import explain, formats
from dashboard.words.facts import Fact
from telemetry.cost import Prices
from telemetry.energy.sources import Report
from telemetry.events import EngineSample, EngineState
from telemetry.health import DiskHealth, ExporterHealth, StoreHealth
from telemetry.live import SILENT_S, LiveEngine
from telemetry.slo import ObjectiveReport, State

BUSY = 0.1
"""Share of its time that an engine may wait for a core before it needs attention."""

RECENT_S = 600.0
"""A failure needs attention for this long."""

LONG_WAIT_S = 10.0
"""A request that waits longer for a slot needs attention."""

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

_ENGINE_CONDITIONS = {EngineState.READY: Condition.WELL, EngineState.FAILED: Condition.BAD}


def engine_part(engine: LiveEngine, now_ns: int) -> Part:
    """One engine: its state, its heartbeat, and its last failure."""
    status, age_s = engine.status, _age_s(engine.heard_ns, now_ns)
    failed_s = _age_s(engine.failed_ns, now_ns)
    condition = _ENGINE_CONDITIONS.get(status.state, Condition.WARN)
    words, advice = explain.ENGINE_STATES[status.state], explain.ENGINE_REMEDIES.get(status.state, "")
    if status.state is not EngineState.READY:
        words = f"{words} It {status.reason}." if status.reason else words
    elif age_s is None or age_s > SILENT_S:
        condition = Condition.WARN
        words = (
            "It is ready, and has not been heard of yet."
            if age_s is None
            else f"It was last heard of {formats.seconds(age_s)} ago."
        )
        advice = (
            "It reports every second. One that stays silent is killed and started again after"
            " engine.heartbeat_timeout_s."
        )
    elif busy := busy_words(engine.sample):
        condition, words = Condition.WARN, busy
        advice = (
            "Other programs use the cores: stop them, or give this one more of them. It goes back to all"
            " threads by itself when they are free."
        )
    elif failed_s is not None and failed_s < RECENT_S:
        condition, words = (
            Condition.WARN,
            f"It takes requests again; {formats.seconds(failed_s)} ago it failed.",
        )
        advice = (
            "Its log is in the folder logs of the home folder. If it was out of memory, lower engine.n_ctx,"
            " engine.slots or engine.cache_ram_bytes."
        )
    last = (
        f"{engine.last_error}, {formats.seconds(failed_s)} ago"
        if engine.last_error
        else "none since the start of the gateway"
    )
    facts = (
        Fact("heartbeat", f"{formats.seconds(age_s)} ago" if age_s is not None else formats.NOT_MEASURED),
        Fact("restarts", formats.count(status.restarts)),
        Fact("last failure", last),
    )
    return Part(f"Engine {status.model}", condition, words, advice, facts)


def busy_words(sample: EngineSample | None) -> str:
    """What other programs cost an engine, or '' where they cost little or that is not known."""
    threads = None if sample is None else sample.threads
    if threads is None or not threads.contention or threads.contention < BUSY:
        return ""
    words = f"The machine is busy: {formats.share(threads.contention)} of the time without a core"
    now = "1 thread" if threads.now == 1 else f"{threads.now} threads"
    return f"{words}; {now} instead of {threads.allowed}." if threads.now < threads.allowed else f"{words}."


def queue_part(engines: Sequence[LiveEngine]) -> Part:
    """Requests that wait for a slot, in all engines together."""
    samples = [engine.sample for engine in engines if engine.sample is not None]
    if not samples:
        return Part("Queue", Condition.UNMEASURED, "No engine has told of its queue yet.")
    depth, oldest_s = (
        sum(sample.queue_depth for sample in samples),
        max(sample.queue_oldest_age_s for sample in samples),
    )
    facts = (
        Fact("waiting", formats.count(depth)),
        Fact("oldest", formats.seconds(oldest_s) if depth else "none waits"),
    )
    if depth and oldest_s > LONG_WAIT_S:
        advice = _wait_advice(samples)
        return Part(
            "Queue",
            Condition.WARN,
            f"The oldest request has waited for {formats.seconds(oldest_s)}.",
            advice,
            facts,
        )
    return Part(
        "Queue",
        Condition.WELL,
        "No request waits." if not depth else "Requests wait, none of them for long.",
        "",
        facts,
    )


def _wait_advice(samples: Sequence[EngineSample]) -> str:
    """What a long wait is for: slots, unless an engine with requests that wait has free ones."""
    if any(sample.queue_depth and not sample.slots_idle for sample in samples):
        return (
            "All slots are taken. More engine.slots share the same speed; a smaller model or a second machine"
            " has more of it."
        )
    return (
        "Slots are free: it waits for a prefix that another request computes for both, or for a cached one to"
        " be read. Its own page says which."
    )


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


def _age_s(at_ns: int | None, now_ns: int) -> float | None:
    return None if at_ns is None else max(0, now_ns - at_ns) / 1e9
