"""The example of an Alertmanager: every alert is routed, and of several that say the same the most urgent
one speaks.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
import yaml

from tests.grafana.bundle import FOLDER, rules

CONFIG: dict[str, Any] = yaml.safe_load(
    (FOLDER / "alerting" / "alertmanager.yaml").read_text(encoding="utf-8")
)
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def matches(matchers: list[str], labels: dict[str, str]) -> bool:
    """Whether labels match all matchers, as Alertmanager reads them: a regular expression is of the whole
    value.
    """

    def one(matcher: str) -> bool:
        found = MATCHER.fullmatch(matcher)
        assert found, matcher
        name, sign, text = found.groups()
        value = labels.get(name, "")
        same = bool(re.fullmatch(text, value)) if "~" in sign else value == text
        return same is not sign.startswith("!")

    return all(one(matcher) for matcher in matchers)


def receiver(labels: dict[str, str]) -> str:
    """The first route that matches, else the root's."""
    routes = CONFIG["route"]["routes"]
    name: str = next(
        (route["receiver"] for route in routes if matches(route["matchers"], labels)),
        CONFIG["route"]["receiver"],
    )
    return name


def silenced(target: dict[str, str], source: dict[str, str]) -> bool:
    """Whether the source inhibits the target."""
    return any(
        matches(rule["source_matchers"], source)
        and matches(rule["target_matchers"], target)
        and all(source.get(name, "") == target.get(name, "") for name in rule["equal"])
        for rule in CONFIG["inhibit_rules"]
    )


def labels_of(alert: str, **more: str) -> dict[str, str]:
    """What a firing alert carries."""
    (rule,) = (rule for rule in rules() if rule["alert"] == alert)
    given: dict[str, str] = rule["labels"]
    return {"alertname": alert, "job": "home", "gen_ai_request_model": "m"} | given | more


@pytest.mark.parametrize("rule", rules(), ids=[rule["alert"] for rule in rules()])
def test_alert_is_routed_by_its_severity(rule: dict[str, Any]) -> None:
    """What is critical wakes somebody, a ticket is one, the rest goes to the chat; each receiver is there."""
    wanted = {"critical": "pager", "warning": "chat", "ticket": "tickets"}[rule["labels"]["severity"]]
    assert receiver(labels_of(rule["alert"])) == wanted
    assert wanted in {place["name"] for place in CONFIG["receivers"]}


@pytest.mark.parametrize("slo", ["Availability", "Ttft"])
def test_fast_burn_speaks_for_the_slower_ones(slo: str) -> None:
    """Of one objective and model the fastest tier inhibits the others, and no slower one a faster one."""
    tiers = [labels_of(f"Firsttoken{slo}{name}Burn") for name in ("Fast", "Slow", "Ticket")]
    for (at, faster), (below, slower) in itertools.product(enumerate(tiers), repeat=2):
        assert silenced(slower, faster) is (at < below)


def test_what_is_about_something_else_is_said() -> None:
    """Another model, another objective, another process: not silenced."""
    fast = labels_of("FirsttokenAvailabilityFastBurn")
    assert not silenced(labels_of("FirsttokenAvailabilitySlowBurn", gen_ai_request_model="other"), fast)
    assert not silenced(labels_of("FirsttokenTtftSlowBurn"), fast)
    down = labels_of("FirsttokenTargetDown", instance="a")
    assert silenced(labels_of("FirsttokenGatewayMetricAbsent", instance="a"), down)
    assert not silenced(labels_of("FirsttokenGatewayMetricAbsent", instance="b"), down)


def test_labels_of_the_example_exist() -> None:
    """Every label that it groups or compares by is one that rules or series have."""
    named = set(CONFIG["route"]["group_by"]).union(*(rule["equal"] for rule in CONFIG["inhibit_rules"]))
    assert named <= {"service", "slo", "job", "instance", "gen_ai_request_model"}
