"""Series that make each alert fire, and series that must leave it quiet. Values are promtool's notation, one per minute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grafana.sources.families import GROUPS

WHO = 'job="firsttoken",instance="a"'
MODEL = f'{WHO},gen_ai_request_model="m"'
FIRES, QUIET = True, False
COUNT = "gen_ai_server_request_duration_seconds_count"
TTFT = "gen_ai_server_time_to_first_token_seconds"


@dataclass(frozen=True, slots=True)
class Case:
    """At `at`, the alert fires or not."""

    alert: str
    name: str
    fires: bool
    at: str
    series: dict[str, str]


def _requests(ok: str, failed: str, error: str = "engine_error") -> dict[str, str]:
    return {f'{COUNT}{{{MODEL},error_type=""}}': ok, f'{COUNT}{{{MODEL},error_type="{error}"}}': failed}


def _first_tokens(early: str, every: str) -> dict[str, str]:
    return {f'{TTFT}_bucket{{{MODEL},le="2.5"}}': early, f"{TTFT}_count{{{MODEL}}}": every}


def _kv(used: str) -> dict[str, str]:
    return {f"firsttoken_kv_cache_usage{{{MODEL}}}": used, f"firsttoken_kv_cache_limit{{{MODEL}}}": "1000x60"}


def _lag(below: str, every: str) -> dict[str, str]:
    name = f"firsttoken_event_loop_lag_seconds_bucket{{{WHO},"
    return {f'{name}le="0.1"}}': below, f'{name}le="0.25"}}': every, f'{name}le="+Inf"}}': every}


def _loads(state: str, values: str) -> dict[str, str]:
    return {f'firsttoken_model_loads_total{{{MODEL},state="{state}"}}': values}


OBJECTIVE_CASES = (
    Case("FirsttokenAvailabilityFastBurn", "one in five fails", FIRES, "65m", _requests("0+8x70", "0+2x70")),
    Case("FirsttokenAvailabilityFastBurn", "one in twenty fails", QUIET, "65m", _requests("0+95x70", "0+5x70")),
    Case("FirsttokenAvailabilityFastBurn", "it is over", QUIET, "75m", _requests("0+8x80", "0+2x62 124x20")),
    Case("FirsttokenAvailabilityFastBurn", "clients leave", QUIET, "65m", _requests("0+8x70", "0+2x70", "client_disconnect")),
    Case("FirsttokenAvailabilityFastBurn", "the client's mistakes", QUIET, "65m", _requests("0+8x70", "0+2x70", "invalid_value")),
    Case("FirsttokenAvailabilityFastBurn", "nobody asks", QUIET, "65m", _requests("8x70", "2x70")),
    Case("FirsttokenAvailabilitySlowBurn", "one in ten fails", FIRES, "370m", _requests("0+9x380", "0+1x380")),
    Case("FirsttokenAvailabilitySlowBurn", "one in fifty fails", QUIET, "370m", _requests("0+49x380", "0+1x380")),
    Case("FirsttokenAvailabilitySlowBurn", "it is over", QUIET, "400m", _requests("0+8x400", "0+2x360 720x40")),
    Case("FirsttokenTtftFastBurn", "four in five are late", FIRES, "65m", _first_tokens("0+2x70", "0+10x70")),
    Case("FirsttokenTtftFastBurn", "half are late", QUIET, "65m", _first_tokens("0+5x70", "0+10x70")),
    Case("FirsttokenTtftFastBurn", "it is over", QUIET, "75m", _first_tokens("0x62 10+10x20", "0+10x80")),
    Case("FirsttokenTtftSlowBurn", "half are late", FIRES, "370m", _first_tokens("0+5x380", "0+10x380")),
    Case("FirsttokenTtftSlowBurn", "one in five is late", QUIET, "370m", _first_tokens("0+8x380", "0+10x380")),
    Case("FirsttokenTtftSlowBurn", "it is over", QUIET, "400m", _first_tokens("0+2x360 722+10x40", "0+10x400")),
)

STATE_CASES = (
    Case("FirsttokenQueueAge", "40 s", FIRES, "5m", {f"firsttoken_queue_oldest_age_seconds{{{MODEL}}}": "40x10"}),
    Case("FirsttokenQueueAge", "20 s", QUIET, "5m", {f"firsttoken_queue_oldest_age_seconds{{{MODEL}}}": "20x10"}),
    Case("FirsttokenQueueAge", "for a moment", QUIET, "5m", {f"firsttoken_queue_oldest_age_seconds{{{MODEL}}}": "0x4 40 0x5"}),
    Case("FirsttokenKvNearlyFull", "96 %", FIRES, "10m", _kv("960x60")),
    Case("FirsttokenKvNearlyFull", "94 %", QUIET, "10m", _kv("940x60")),
    Case("FirsttokenKvNearlyFull", "for a moment", QUIET, "10m", _kv("100x7 990x2 100x20")),
    Case("FirsttokenEventLoopLag", "one in ten is late", FIRES, "15m", _lag("0+9x20", "0+10x20")),
    Case("FirsttokenEventLoopLag", "one in a thousand is late", QUIET, "15m", _lag("0+999x20", "0+1000x20")),
    Case("FirsttokenEngineRestarted", "loaded again", FIRES, "10m", _loads("ready", "1x5 2x10")),
    Case("FirsttokenEngineRestarted", "loaded once", QUIET, "10m", _loads("ready", "1x15")),
    Case("FirsttokenEngineRestarted", "the gateway was restarted", QUIET, "10m", _loads("ready", "1x5 _x2 1x10")),
    Case("FirsttokenEngineGivenUp", "given up", FIRES, "10m", _loads("failed", "_x5 1x10")),
    Case("FirsttokenEngineGivenUp", "ready", QUIET, "10m", _loads("ready", "1x15")),
    Case("FirsttokenStoreDrops", "lost some", FIRES, "10m", {f"firsttoken_store_dropped_total{{{WHO}}}": "0x5 7x10"}),
    Case("FirsttokenStoreDrops", "lost none", QUIET, "10m", {f"firsttoken_store_dropped_total{{{WHO}}}": "0x15"}),
    Case("FirsttokenStoreDrops", "lost some long ago", QUIET, "30m", {f"firsttoken_store_dropped_total{{{WHO}}}": "0x5 7x40"}),
)


def _store(size: str) -> dict[str, str]:
    return {f"firsttoken_store_file_size_bytes{{{WHO}}}": size, f"firsttoken_store_file_limit_bytes{{{WHO}}}": "1000x20"}


def _disk(free: str, used: str) -> dict[str, str]:
    name = f"system_filesystem_usage_bytes{{{WHO},system_filesystem_state="
    return {f'{name}"free"}}': free, f'{name}"used"}}': used}


DISK_CASES = (
    Case("FirsttokenStoreNearCap", "nearly as large as it may be", FIRES, "15m", _store("960x20")),
    Case("FirsttokenStoreNearCap", "half as large", QUIET, "15m", _store("500x20")),
    Case("FirsttokenStoreNearCap", "nothing bounds it", QUIET, "15m", {f"firsttoken_store_file_size_bytes{{{WHO}}}": "960x20"}),
    Case("FirsttokenStoreNearCap", "it shrinks again", QUIET, "15m", _store("960x3 880x20")),
    Case("FirsttokenDiskNearlyFull", "four percent are left", FIRES, "15m", _disk("4x20", "96x20")),
    Case("FirsttokenDiskNearlyFull", "a tenth is left", QUIET, "15m", _disk("10x20", "90x20")),
)

SPEED_CASES = (
    Case(
        "FirsttokenSlower", "two speeds fell", FIRES, "20m", {f'firsttoken_speed_changes_total{{{MODEL},direction="slower"}}': "0x5 2x60"}
    ),
    Case("FirsttokenSlower", "a speed rose", QUIET, "20m", {f'firsttoken_speed_changes_total{{{MODEL},direction="faster"}}': "0x5 1x60"}),
    Case(
        "FirsttokenSlower", "it was long ago", QUIET, "90m", {f'firsttoken_speed_changes_total{{{MODEL},direction="slower"}}': "0x5 2x100"}
    ),
)

EVIDENCE = {
    "FirsttokenSilent": {},
    "FirsttokenGatewayMetricAbsent": {f"firsttoken_event_loop_lag_seconds_count{{{WHO}}}": "1x30"},
    "FirsttokenEngineMetricAbsent": _loads("ready", "1x30"),
    "FirsttokenRequestMetricAbsent": {
        f'http_server_request_duration_seconds_count{{{WHO},http_route="/v1/chat/completions",http_response_status_code="200"}}': "5x30"
    },
    "FirsttokenTokenMetricAbsent": {
        f"gen_ai_client_inference_usage_output_tokens_total{{{MODEL}}}": "50x30",
        f"{COUNT}{{{MODEL}}}": "5x30",
    },
    "FirsttokenModelLoadsAbsent": {f'firsttoken_engine_slots{{{MODEL},state="idle"}}': "8x30"},
    "FirsttokenHttpMetricAbsent": {f"{COUNT}{{{MODEL}}}": "5x30"},
}
"""What proves that the families of a group must be there."""


def absent_cases() -> Iterator[Case]:
    """Per group: one family missing at a time, all there, and (but for silence itself) no reason to expect any."""
    for group in GROUPS:
        present = {f"{metric}{{{WHO}}}": "1x30" for metric in group.metrics}
        for metric in group.metrics:
            rest = {series: values for series, values in present.items() if not series.startswith(f"{metric}{{")}
            yield Case(group.alert, f"{metric} is missing", FIRES, "20m", EVIDENCE[group.alert] | rest)
        yield Case(group.alert, "all are there", QUIET, "20m", EVIDENCE[group.alert] | present)
        if group.evidence:
            yield Case(group.alert, "nothing happened yet", QUIET, "20m", {f"up{{{WHO}}}": "1x30"})


ONE_TOKEN = {
    f"gen_ai_client_inference_usage_output_tokens_total{{{MODEL}}}": "5x30",
    f"{COUNT}{{{MODEL}}}": "5x30",
}

CASES = (
    Case("FirsttokenTokenMetricAbsent", "answers of one token", QUIET, "20m", ONE_TOKEN),
    *OBJECTIVE_CASES,
    *STATE_CASES,
    *SPEED_CASES,
    *DISK_CASES,
    *absent_cases(),
)
