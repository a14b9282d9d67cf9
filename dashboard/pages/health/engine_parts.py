"""What makes an engine and its queue well or not, and what to do about it: pure functions, as
`dashboard.pages.health.parts` has them for the gateway's own parts.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.pages.health.context import Condition, Part
from dashboard.words import explain, formats
from dashboard.words.facts import Fact
from telemetry.events import EngineSample, EngineState
from telemetry.live import SILENT_S, LiveEngine

BUSY = 0.1
"""Share of its time that an engine may wait for a core before it needs attention."""

RECENT_S = 600.0
"""A failure needs attention for this long."""

LONG_WAIT_S = 10.0
"""A request that waits longer for a slot needs attention."""

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
        words = "It is ready, and has not been heard of yet."
        if age_s is not None:
            words = f"It was last heard of {formats.seconds(age_s)} ago."
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
        condition = Condition.WARN
        words = f"It takes requests again; {formats.seconds(failed_s)} ago it failed."
        advice = (
            "Its log is in the folder logs of the home folder. If it was out of memory, lower engine.n_ctx,"
            " engine.slots or engine.cache_ram_bytes."
        )
    last = "none since the start of the gateway"
    if engine.last_error:
        last = f"{engine.last_error}, {formats.seconds(failed_s)} ago"
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
    depth = sum(sample.queue_depth for sample in samples)
    oldest_s = max(sample.queue_oldest_age_s for sample in samples)
    facts = (
        Fact("waiting", formats.count(depth)),
        Fact("oldest", formats.seconds(oldest_s) if depth else "none waits"),
    )
    if depth and oldest_s > LONG_WAIT_S:
        words = f"The oldest request has waited for {formats.seconds(oldest_s)}."
        return Part("Queue", Condition.WARN, words, _wait_advice(samples), facts)
    words = "Requests wait, none of them for long." if depth else "No request waits."
    return Part("Queue", Condition.WELL, words, "", facts)


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


def _age_s(at_ns: int | None, now_ns: int) -> float | None:
    return None if at_ns is None else max(0, now_ns - at_ns) / 1e9
