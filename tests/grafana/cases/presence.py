"""Cases of the alerts on what is not there. Prometheus answers with a series' last sample for five
minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

from grafana.sources.rules.families import GROUPS, Group
from tests.grafana.cases.case import FIRES, MODEL, QUIET, WHO, Case

ALIVE = "firsttoken_store_dropped_total"
REQUESTS = "firsttoken_requests_total"
FINISHED = "firsttoken_requests_finished_total"
TOKENS = "gen_ai_client_inference_usage_output_tokens_total"
OTHER = 'job="firsttoken",instance="b"'


def _alive(**instances: str) -> dict[str, str]:
    return {f'{ALIVE}{{job="firsttoken",instance="{name}"}}': values for name, values in instances.items()}


def _up(values: str, job: str = "firsttoken") -> dict[str, str]:
    return {f'up{{job="{job}",instance="a"}}': values}


INSTANCE_CASES = (
    Case("FirsttokenSilent", "there never was one", FIRES, "10m", {}),
    Case("FirsttokenSilent", "the last one stopped", FIRES, "22m", _alive(a="0x10")),
    Case("FirsttokenSilent", "the last one stopped a little while ago", QUIET, "18m", _alive(a="0x10")),
    Case("FirsttokenSilent", "one is left", QUIET, "22m", _alive(a="0x10", b="0x30")),
    Case("FirsttokenInstanceSilent", "one of two stopped", FIRES, "40m", _alive(a="0x30", b="0x100")),
    Case(
        "FirsttokenInstanceSilent",
        "one of two stopped a little while ago",
        QUIET,
        "37m",
        _alive(a="0x30", b="0x100"),
    ),
    Case(
        "FirsttokenInstanceSilent",
        "one of two stopped, and for most of the time there was one",
        QUIET,
        "90m",
        _alive(a="0x30", b="0x100"),
    ),
    Case("FirsttokenInstanceSilent", "both run", QUIET, "40m", _alive(a="0x100", b="0x100")),
    Case(
        "FirsttokenInstanceSilent",
        "one was restarted under another name",
        QUIET,
        "40m",
        _alive(a="0x30", b="0x100", c="_x31 0x100"),
    ),
    Case(
        "FirsttokenInstanceSilent",
        "all of one job stopped",
        FIRES,
        "40m",
        _alive(a="0x30") | {f'{ALIVE}{{job="other",instance="z"}}': "0x100"},
    ),
    Case(
        "FirsttokenInstanceSilent",
        "a target that is known to be down",
        QUIET,
        "40m",
        _alive(a="0x30", b="0x100") | _up("1x30 0x100"),
    ),
    Case("FirsttokenTargetDown", "it stopped", FIRES, "25m", _alive(a="0x20") | _up("1x20 0x20")),
    Case("FirsttokenTargetDown", "for a moment", QUIET, "22m", _alive(a="0x20") | _up("1x20 0x20")),
    Case("FirsttokenTargetDown", "it runs", QUIET, "25m", _alive(a="0x40") | _up("1x40")),
    Case(
        "FirsttokenTargetDown",
        "a target of somebody else",
        QUIET,
        "25m",
        _alive(a="0x40") | _up("1x40") | _up("0x40", "node"),
    ),
    Case("FirsttokenTargetDown", "over OTLP", QUIET, "25m", _alive(a="0x20")),
)

EVIDENCE = {
    "FirsttokenGatewayMetricAbsent": {f"{ALIVE}{{{WHO}}}": "0x30"},
    "FirsttokenEngineMetricAbsent": {f'firsttoken_engine_state{{{MODEL},state="ready"}}': "1x30"},
    "FirsttokenRequestMetricAbsent": {f'{FINISHED}{{{MODEL},reason="stop"}}': "5x30"},
    "FirsttokenTokenMetricAbsent": {
        f"{TOKENS}{{{MODEL}}}": "50x30",
        f'{REQUESTS}{{{MODEL},outcome="ok"}}': "5x30",
    },
    "FirsttokenModelLoadsAbsent": {f'firsttoken_engine_slots{{{MODEL},state="idle"}}': "8x30"},
}
"""What proves that the families of a group must be there."""

NO_EVIDENCE = {
    "FirsttokenGatewayMetricAbsent": {},
    "FirsttokenEngineMetricAbsent": {f'firsttoken_engine_state{{{MODEL},state="ready"}}': "0x30"},
    "FirsttokenRequestMetricAbsent": {
        f'{FINISHED}{{{MODEL},reason="stop"}}': "0x30",
        f'{REQUESTS}{{{MODEL},outcome="ok"}}': "9x30",
    },
    "FirsttokenTokenMetricAbsent": {
        f"{TOKENS}{{{MODEL}}}": "5x30",
        f'{REQUESTS}{{{MODEL},outcome="ok"}}': "5x30",
    },
    "FirsttokenModelLoadsAbsent": {},
}
"""What is there where they need not be: no engine is ready, only embeddings were asked for, answers had
one token each.
"""


STEP = "5m"


def _absent(group: Group) -> Iterator[Case]:
    """One family missing at a time, also where another process has it; all there, in either form; and no
    reason to expect any.
    """
    evidence = EVIDENCE[group.alert]
    present = {f"{metric}{{{WHO}}}": "1x30" for metric in group.metrics}
    for metric in group.metrics:
        rest = {series: values for series, values in present.items() if not series.startswith(f"{metric}{{")}
        yield Case(
            group.alert,
            f"{metric} is missing",
            FIRES,
            "20m",
            rest | evidence | {f"{metric}{{{OTHER}}}": "1x30"},
            STEP,
        )
    yield Case(group.alert, "all are there", QUIET, "20m", present | evidence, STEP)
    native = {f"{metric.removesuffix('_count')}{{{WHO}}}": "1x30" for metric in group.metrics}
    yield Case(
        group.alert, "all are there, histograms in their native form", QUIET, "20m", native | evidence, STEP
    )
    yield Case(group.alert, "nothing happened yet", QUIET, "20m", NO_EVIDENCE[group.alert], STEP)
    first = group.metrics[0]
    rest = {series: values for series, values in present.items() if not series.startswith(f"{first}{{")}
    yield Case(group.alert, "missing for a while", QUIET, "5m", rest | evidence, STEP)


PRESENCE_CASES = (*INSTANCE_CASES, *(case for group in GROUPS for case in _absent(group)))
