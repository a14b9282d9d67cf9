"""Cases of the alerts on what engines, gateway and store are in now."""

from __future__ import annotations

from collections.abc import Iterator

from tests.grafana.cases.case import FIRES, MODEL, QUIET, WHO, Case

AGE = f"firsttoken_queue_oldest_age_seconds{{{MODEL}}}"
DROPPED = f"firsttoken_store_dropped_total{{{WHO}}}"
STATES = ("starting", "ready", "restarting", "failed", "stopped")


def _kv(used: str, limit: str = "1000x60") -> dict[str, str]:
    return {f"firsttoken_kv_cache_usage{{{MODEL}}}": used, f"firsttoken_kv_cache_limit{{{MODEL}}}": limit}


def _lag(below: str, every: str) -> dict[str, str]:
    name = f"firsttoken_event_loop_lag_seconds_bucket{{{WHO},"
    return {f'{name}le="0.1"}}': below, f'{name}le="0.25"}}': every, f'{name}le="+Inf"}}': every}


def _loads(state: str, values: str) -> dict[str, str]:
    return {f'firsttoken_model_loads_total{{{MODEL},state="{state}"}}': values}


def _state(**values: str) -> dict[str, str]:
    return {
        f'firsttoken_engine_state{{{MODEL},state="{state}"}}': values.get(state, "0x20") for state in STATES
    }


def _speed(direction: str, values: str) -> dict[str, str]:
    return {f'firsttoken_speed_changes_total{{{MODEL},direction="{direction}"}}': values}


def _store(size: str, limit: str = "1000x20") -> dict[str, str]:
    return {
        f"firsttoken_store_file_size_bytes{{{WHO}}}": size,
        f"firsttoken_store_file_limit_bytes{{{WHO}}}": limit,
    }


def _disk(free: str, used: str) -> dict[str, str]:
    name = f"system_filesystem_usage_bytes{{{WHO},system_filesystem_state="
    return {f'{name}"free"}}': free, f'{name}"used"}}': used}


def _sides(alert: str, at: str, *sides: tuple[str, bool, dict[str, str]]) -> Iterator[Case]:
    yield from (Case(alert, name, fires, at, series) for name, fires, series in sides)


STATE_CASES = (
    *_sides(
        "FirsttokenQueueAge",
        "5m",
        ("nobody waits", QUIET, {AGE: "0x10"}),
        ("just below", QUIET, {AGE: "29.9x10"}),
        ("at the threshold", QUIET, {AGE: "30x10"}),
        ("just above", FIRES, {AGE: "30.1x10"}),
        ("for a moment", QUIET, {AGE: "0x4 40 0x5"}),
        ("no engine", QUIET, {}),
    ),
    *_sides(
        "FirsttokenKvNearlyFull",
        "10m",
        ("empty", QUIET, _kv("0x60")),
        ("just below", QUIET, _kv("949x60")),
        ("at the threshold", QUIET, _kv("950x60")),
        ("just above", FIRES, _kv("951x60")),
        ("full", FIRES, _kv("1000x60")),
        ("for a moment", QUIET, _kv("100x7 990x2 100x20")),
        ("there are no cells", QUIET, _kv("0x60", "0x60")),
    ),
    *_sides(
        "FirsttokenEventLoopLag",
        "15m",
        ("none is late", QUIET, _lag("0+60000x20", "0+60000x20")),
        ("just below", QUIET, _lag("0+59460x20", "0+60000x20")),
        ("at the threshold", QUIET, _lag("0+59400x20", "0+60000x20")),
        ("just above", FIRES, _lag("0+59340x20", "0+60000x20")),
        ("nothing was measured", QUIET, _lag("5x20", "9x20")),
    ),
    *_sides(
        "FirsttokenEngineRestarted",
        "10m",
        ("loaded again", FIRES, _loads("ready", "1x5 2x10")),
        ("loaded once", QUIET, _loads("ready", "1x15")),
        ("loaded for the first time", QUIET, _loads("ready", "0x5 1x10")),
        ("the gateway was restarted", QUIET, _loads("ready", "1x5 _x2 1x10")),
        ("never loaded", QUIET, _loads("ready", "0x15")),
    ),
    Case("FirsttokenEngineRestarted", "it was long ago", QUIET, "40m", _loads("ready", "1x5 2x40")),
    *_sides(
        "FirsttokenEngineGivenUp",
        "10m",
        ("given up", FIRES, _state(failed="1x20")),
        ("ready", QUIET, _state(ready="1x20")),
        ("starting again", QUIET, _state(restarting="1x20")),
        ("loaded by hand since", QUIET, _state(failed="1x5 0x15", ready="0x5 1x15")),
    ),
    *_sides(
        "FirsttokenStoreDrops",
        "10m",
        ("lost one", FIRES, {DROPPED: "0x5 1x10"}),
        ("lost none", QUIET, {DROPPED: "0x15"}),
        ("lost some before, none now", QUIET, {DROPPED: "7x15"}),
    ),
    Case("FirsttokenStoreDrops", "lost some long ago", QUIET, "30m", {DROPPED: "0x5 7x40"}),
    *_sides(
        "FirsttokenStoreNearCap",
        "15m",
        ("empty", QUIET, _store("0x20")),
        ("just below", QUIET, _store("949x20")),
        ("at the threshold", QUIET, _store("950x20")),
        ("just above", FIRES, _store("951x20")),
        ("nothing bounds it", QUIET, {f"firsttoken_store_file_size_bytes{{{WHO}}}": "960x20"}),
        ("a bound of 0", QUIET, _store("0x20", "0x20")),
        ("it shrinks again", QUIET, _store("960x3 880x20")),
    ),
    *_sides(
        "FirsttokenDiskNearlyFull",
        "15m",
        ("not one byte is left", FIRES, _disk("0x20", "10000x20")),
        ("just below", FIRES, _disk("499x20", "9501x20")),
        ("at the threshold", QUIET, _disk("500x20", "9500x20")),
        ("just above", QUIET, _disk("501x20", "9499x20")),
        ("empty", QUIET, _disk("10000x20", "0x20")),
        ("for a moment", QUIET, _disk("900x13 0x1 900x9", "9100x13 10000x1 9100x9")),
        ("its size is not known", QUIET, _disk("0x20", "0x20")),
    ),
    *_sides(
        "FirsttokenSlower",
        "20m",
        ("one speed fell", FIRES, _speed("slower", "0x5 1x60")),
        ("none changed", QUIET, _speed("slower", "0x60")),
        ("a speed rose", QUIET, _speed("faster", "0x5 1x60")),
    ),
    Case("FirsttokenSlower", "it was long ago", QUIET, "90m", _speed("slower", "0x5 2x100")),
)
